// Runs a sketch on a Linux host: its serial line is the terminal PORT, its pins read what the options say.
//   SKETCH PORT [--adc A0,A1,A2,A3] [--noise COUNTS] [--sends N] [--ramp] [--wrap] [--eeprom FILE]
// --adc: counts of the four pins; --noise: that much more or less, from a fixed seed; --sends: end after so many lines or
// frames; --ramp: A2 counts one more after each 16 readings, so that samples differ; --wrap: millis() stands shortly
// before its end after 49 days; --eeprom: what outlives the process.

#include "Arduino.h"
#include "EEPROM.h"

#include <fcntl.h>
#include <poll.h>
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
EEPROMClass EEPROM;

namespace {
const char* name = nullptr;
const char* port_path = nullptr;
const char* eeprom_path = nullptr;
int port = -1;
int counts[4] = {450, 138, 379, 515};
int noise = 0;
bool is_ramp = false;
int ramp_readings = 0;
long sends_left = -1;
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
  const int more = is_ramp && pin == A2 ? ramp_readings++ / 16 : 0;
  return constrain(counts[pin & 3] + more + jitter(chance), 0, 1023);
}

void HardwareSerial::begin(unsigned long) {
  port = open(port_path, O_RDWR | O_NOCTTY);
  termios mode;
  if (port < 0 || tcgetattr(port, &mode) != 0) {
    std::fprintf(stderr, "%s: %s: %s\n", name, port_path, std::strerror(errno));
    std::exit(1);
  }
  cfmakeraw(&mode);
  cfsetspeed(&mode, B9600);
  tcsetattr(port, TCSANOW, &mode);
}

int HardwareSerial::available() {
  pollfd line = {port, POLLIN, 0};
  return poll(&line, 1, 0) > 0;
}

int HardwareSerial::read() {
  uint8_t byte;
  if (::read(port, &byte, 1) != 1) std::exit(1);  // the line is gone: the board would go on, a host process would linger
  return byte;
}

void HardwareSerial::print(const char* text) { write(reinterpret_cast<const uint8_t*>(text), std::strlen(text)); }

void HardwareSerial::write(const uint8_t* bytes, size_t count) {
  while (count > 0) {
    const ssize_t wrote = ::write(port, bytes, count);
    if (wrote < 0) std::exit(1);
    bytes += wrote;
    count -= static_cast<size_t>(wrote);
  }
  if (sends_left > 0 && --sends_left == 0) {
    tcdrain(port);
    std::exit(0);
  }
}

uint8_t EEPROMClass::read(int address) {
  std::FILE* file = eeprom_path ? std::fopen(eeprom_path, "rb") : nullptr;
  int byte = EOF;
  if (file && std::fseek(file, address, SEEK_SET) == 0) byte = std::fgetc(file);
  if (file) std::fclose(file);
  return byte == EOF ? 0xFF : static_cast<uint8_t>(byte);  // as erased
}

void EEPROMClass::update(int address, uint8_t value) {
  if (!eeprom_path) return;
  std::FILE* file = std::fopen(eeprom_path, "rb+");
  if (!file) file = std::fopen(eeprom_path, "wb");
  if (!file) std::exit(1);
  std::fseek(file, address, SEEK_SET);
  std::fputc(value, file);
  std::fclose(file);
}

int main(int count, char** arguments) {
  name = arguments[0];
  if (count < 2 || arguments[1][0] == '-') {
    std::fprintf(stderr, "usage: %s PORT [--adc A0,A1,A2,A3] [--noise COUNTS] [--sends N] [--ramp] [--wrap] [--eeprom FILE]\n", name);
    return 2;
  }
  port_path = arguments[1];
  for (int i = 2; i < count; i++) {
    const char* next = i + 1 < count ? arguments[i + 1] : "";
    if (std::strcmp(arguments[i], "--wrap") == 0) {
      millis_offset = UINT32_MAX - 300;
    } else if (std::strcmp(arguments[i], "--ramp") == 0) {
      is_ramp = true;
    } else if (std::strcmp(arguments[i], "--adc") == 0 &&
               std::sscanf(next, "%d,%d,%d,%d", &counts[0], &counts[1], &counts[2], &counts[3]) == 4) {
      i++;
    } else if (std::strcmp(arguments[i], "--noise") == 0 && std::sscanf(next, "%d", &noise) == 1) {
      i++;
    } else if (std::strcmp(arguments[i], "--sends") == 0 && std::sscanf(next, "%ld", &sends_left) == 1) {
      i++;
    } else if (std::strcmp(arguments[i], "--eeprom") == 0 && *next) {
      eeprom_path = next;
      i++;
    } else {
      std::fprintf(stderr, "%s: what is %s?\n", name, arguments[i]);
      return 2;
    }
  }
  setup();
  for (;;) loop();
}
