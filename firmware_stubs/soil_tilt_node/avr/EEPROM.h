#pragma once
#include <avr/eeprom.h>
#include <stdint.h>

class EEPROMClass {
 public:
  uint8_t read(uint16_t address) { return eeprom_read_byte(reinterpret_cast<const uint8_t*>(address)); }
  void update(uint16_t address, uint8_t value) { eeprom_update_byte(reinterpret_cast<uint8_t*>(address), value); }
};

extern EEPROMClass EEPROM;
