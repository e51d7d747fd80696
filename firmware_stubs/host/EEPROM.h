// The board's memory that outlives a power cut; here the file of the option --eeprom.
#pragma once
#include <cstdint>

class EEPROMClass {
 public:
  uint8_t read(int address);
  void update(int address, uint8_t value);
};

extern EEPROMClass EEPROM;
