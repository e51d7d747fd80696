// One line as this node sends it: $SOIL,<id>,<field>,…*hh CR LF, where hh is the XOR of what stands between $ and *.
// No heap, no floating point: printf of an AVR has no %f, and a fixed buffer can't fragment in years of running.
#pragma once
#include <stdint.h>
#include <string.h>

class Line {
 public:
  static const uint8_t SIZE = 80;  // of a line with its end

  void begin(const char* start) {
    length_ = 0;
    overflown_ = false;
    text("$");
    text(start);
  }

  // value / 10^decimals, such as -0.05 from (-5, 2).
  void field(int32_t value, uint8_t decimals) {
    char digits[12];
    uint8_t count = 0;
    uint32_t rest = value < 0 ? 0U - static_cast<uint32_t>(value) : static_cast<uint32_t>(value);
    while (rest > 0 || count <= decimals) {
      digits[count++] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    }
    put(',');
    if (value < 0) put('-');
    while (count > 0) {
      if (count == decimals) put('.');
      put(digits[--count]);
    }
  }

  // A sensor that says nothing plausible: an empty field is no measurement, and the others still count.
  void missing() { put(','); }

  // The finished line, or an empty one where it was too long: half a line would be refused anyway.
  const char* end() {
    uint8_t sum = 0;
    for (uint8_t i = 1; i < length_; i++) sum ^= static_cast<uint8_t>(buffer_[i]);
    static const char HEX_DIGITS[] = "0123456789ABCDEF";
    put('*');
    put(HEX_DIGITS[sum >> 4]);
    put(HEX_DIGITS[sum & 15]);
    text("\r\n");
    buffer_[overflown_ ? 0 : length_] = '\0';
    return buffer_;
  }

 private:
  void text(const char* more) {
    while (*more) put(*more++);
  }

  void put(char letter) {
    if (length_ < SIZE - 1) {
      buffer_[length_++] = letter;
    } else {
      overflown_ = true;
    }
  }

  char buffer_[SIZE];
  uint8_t length_ = 0;
  bool overflown_ = false;
};
