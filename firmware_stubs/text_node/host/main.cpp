// Runs the sketch on a Linux host: its serial line is the terminal PORT, its pins read what the options say.
//   text_node PORT [--adc A0,A1,A2,A3] [--noise COUNTS] [--lines N] [--wrap]
// --adc: counts of the four pins; --noise: that much more or less, from a fixed seed; --lines: end after so many;
// --wrap: millis() stands shortly before its end after 49 days.

#include "Arduino.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

HardwareSerial Serial;

namespace {
const char* port_path = nullptr;
int port = -1;
int counts[4] = {450, 138, 379, 515};
int noise = 0;
long lines_left = -1;
uint32_t millis_offset = 0;
std::mt19937 chance(1);
}  // namespace

unsigned long millis() {
  // 32 bits, as on the board, so that it wraps as it does there.
  static const auto began = std::chrono::steady_clock::now();
  const auto passed = std::chrono::steady_clock::now() - began;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(passed).count();
  return static_cast<uint32_t>(static_cast<uint32_t>(ms) + millis_offset);
}

void delay(unsigned long ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

int analogRead(uint8_t pin) {
  std::uniform_int_distribution<int> jitter(-noise, noise);
  return constrain(counts[pin & 3] + jitter(chance), 0, 1023);
}

void HardwareSerial::begin(unsigned long) {
  port = open(port_path, O_RDWR | O_NOCTTY);
  termios mode;
  if (port < 0 || tcgetattr(port, &mode) != 0) {
    std::fprintf(stderr, "text_node: %s: %s\n", port_path, std::strerror(errno));
    std::exit(1);
  }
  cfmakeraw(&mode);
  cfsetspeed(&mode, B9600);
  tcsetattr(port, TCSANOW, &mode);
}

void HardwareSerial::print(const char* text) {
  size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t wrote = write(port, text, left);
    if (wrote < 0) std::exit(1);  // the line is gone: the board would go on, a host process would linger
    text += wrote;
    left -= static_cast<size_t>(wrote);
  }
  if (lines_left > 0 && --lines_left == 0) {
    tcdrain(port);
    std::exit(0);
  }
}

int main(int count, char** arguments) {
  if (count < 2 || arguments[1][0] == '-') {
    std::fprintf(stderr, "usage: text_node PORT [--adc A0,A1,A2,A3] [--noise COUNTS] [--lines N] [--wrap]\n");
    return 2;
  }
  port_path = arguments[1];
  for (int i = 2; i < count; i++) {
    const char* next = i + 1 < count ? arguments[i + 1] : "";
    if (std::strcmp(arguments[i], "--wrap") == 0) {
      millis_offset = UINT32_MAX - 300;
    } else if (std::strcmp(arguments[i], "--adc") == 0 &&
               std::sscanf(next, "%d,%d,%d,%d", &counts[0], &counts[1], &counts[2], &counts[3]) == 4) {
      i++;
    } else if (std::strcmp(arguments[i], "--noise") == 0 && std::sscanf(next, "%d", &noise) == 1) {
      i++;
    } else if (std::strcmp(arguments[i], "--lines") == 0 && std::sscanf(next, "%ld", &lines_left) == 1) {
      i++;
    } else {
      std::fprintf(stderr, "text_node: what is %s?\n", arguments[i]);
      return 2;
    }
  }
  setup();
  for (;;) loop();
}
