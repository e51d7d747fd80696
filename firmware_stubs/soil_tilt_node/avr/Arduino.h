// As much of Arduino as the sketch uses, for a bare ATmega328P at 16 MHz (Uno, Nano, Pro Mini).
#pragma once
#include <stddef.h>
#include <stdint.h>

static const uint8_t A0 = 0, A1 = 1, A2 = 2, A3 = 3;

template <typename T, typename L, typename H>
T constrain(T value, L low, H high) {
  return value < low ? static_cast<T>(low) : value > high ? static_cast<T>(high) : value;
}

uint32_t millis();
void delay(uint32_t ms);
int analogRead(uint8_t pin);

class HardwareSerial {
 public:
  void begin(uint32_t baud);
  int available();
  int read();
  void write(const uint8_t* bytes, size_t count);
};

extern HardwareSerial Serial;

void setup();
void loop();
