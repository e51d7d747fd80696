// As much of Arduino as the sketch uses, for a Linux host. What the pins read is set by the options of main.cpp.
#pragma once
#include <cstdint>

static const uint8_t A0 = 0, A1 = 1, A2 = 2, A3 = 3;

template <typename T, typename L, typename H>
T constrain(T value, L low, H high) {
  return value < low ? static_cast<T>(low) : value > high ? static_cast<T>(high) : value;
}

unsigned long millis();
void delay(unsigned long ms);
int analogRead(uint8_t pin);

class HardwareSerial {
 public:
  void begin(unsigned long baud);
  void print(const char* text);
};

extern HardwareSerial Serial;

void setup();
void loop();
