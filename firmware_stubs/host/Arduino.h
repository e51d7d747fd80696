// As much of Arduino as the sketches use, for a Linux host. What the pins read is set by the options of main.cpp.
#pragma once
#include <cstddef>
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
  int available();
  int read();
  void print(const char* text);
  void write(const uint8_t* bytes, size_t count);
};

extern HardwareSerial Serial;

void setup();
void loop();
