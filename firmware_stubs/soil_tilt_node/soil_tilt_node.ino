// A soil node with a tiltmeter whose readings are acknowledged: soil moisture, soil temperature, battery and tilt every
// INTERVAL_MS as a binary frame (frames.md), sent again until the edge has it on its disk.
// For an Arduino with a 10-bit converter (Uno, Nano, Pro Mini) and a UART line, a transparent radio, or RS-485 by
// a module that switches its direction itself.
// 土壌水分・地温・電池電圧・傾斜角を、ゲートウェイが「ディスクに書いた」と返事をするまで送り直すノードです。

#include <Arduino.h>
#include <EEPROM.h>

#include "outgoing.h"

#ifndef NODE_ID
#define NODE_ID 17
#endif
#ifndef INTERVAL_MS
#define INTERVAL_MS 10000UL
#endif

// In the order of the metric ids 1 to 4.
static const uint8_t PINS[CHANNELS] = {A0, A1, A2, A3};

// Counts of the converter outside these are an open or a shorted cable.
static const int PLAUSIBLE_LOW = 8;
static const int PLAUSIBLE_HIGH = 1015;

// Calibrate with the probe in air and in saturated soil (of a common capacitive probe; each one differs).
static const int MOISTURE_DRY = 620;
static const int MOISTURE_WET = 280;
static const int32_t MOISTURE_WET_PERMILLE = 550;

// Linear sensors: 10 mV per degree with 500 mV at 0 Cel (TMP36), 5 V reference.
// Battery by a divider of 1:2. Inclinometer: 2.5 V is level, 35 mV per degree (of the SCA61T family; recalled, not checked).
static const int32_t REFERENCE_MV = 5000;
static const int32_t TEMPERATURE_ZERO_MV = 500;
static const int32_t BATTERY_DIVIDER = 2;
static const int32_t TILT_LEVEL_MV = 2500;
static const int32_t TILT_MV_PER_DEGREE = 35;

static Outgoing outgoing;
static uint32_t last_ms;

// The mean of 16 counts.
static int mean_of(uint8_t pin) {
  int32_t sum = 0;
  for (uint8_t i = 0; i < 16; i++) sum += analogRead(pin);
  return static_cast<int>((sum + 8) / 16);
}

static int32_t millivolts(int counts) { return (counts * REFERENCE_MV + 512) / 1024; }

// Moisture in 0.1 %, temperature in 0.1 Cel, battery in mV, tilt in 0.01 degrees.
static int32_t meaning(uint8_t channel, int counts) {
  switch (channel) {
    case 0: {
      const int32_t permille = (MOISTURE_DRY - counts) * MOISTURE_WET_PERMILLE / (MOISTURE_DRY - MOISTURE_WET);
      return constrain(permille, 0, 1000);
    }
    case 1:
      return millivolts(counts) - TEMPERATURE_ZERO_MV;
    case 2:
      return millivolts(counts) * BATTERY_DIVIDER;
    default:
      return (millivolts(counts) - TILT_LEVEL_MV) * 100 / TILT_MV_PER_DEGREE;
  }
}

static Sample measure(uint32_t now_ms) {
  Sample sample = {now_ms, {0, 0, 0, 0}, 0};
  for (uint8_t i = 0; i < CHANNELS; i++) {
    const int counts = mean_of(PINS[i]);
    if (counts < PLAUSIBLE_LOW || counts > PLAUSIBLE_HIGH) continue;  // no value; the others still count
    sample.values[i] = meaning(i, counts);
    sample.present |= static_cast<uint8_t>(1 << i);
  }
  return sample;
}

// Above, how often this board has started; below, the noise of its converter: a board whose EEPROM was erased, or a new
// one with this number, would else repeat an earlier life and have its readings taken for copies.
static uint32_t next_boot() {
  const uint16_t starts = static_cast<uint16_t>((EEPROM.read(0) << 8 | EEPROM.read(1)) + 1);
  EEPROM.update(0, static_cast<uint8_t>(starts >> 8));
  EEPROM.update(1, static_cast<uint8_t>(starts));
  uint16_t noise = 0xFFFF;
  for (uint8_t i = 0; i < 64; i++) noise = crc16(noise, static_cast<uint8_t>(analogRead(PINS[i % CHANNELS])));
  return static_cast<uint32_t>(starts) << 16 | noise;
}

void setup() {
  Serial.begin(9600);
  outgoing.begin(NODE_ID, next_boot());
  last_ms = millis() - INTERVAL_MS;  // the first sample at once
}

void loop() {
  while (Serial.available() > 0) outgoing.received(static_cast<uint8_t>(Serial.read()));
  uint32_t now_ms = millis();
  if (now_ms - last_ms >= INTERVAL_MS) {
    last_ms += INTERVAL_MS;
    outgoing.add(measure(now_ms));
    now_ms = millis();
  }
  uint8_t frame[Outgoing::FRAME_BYTES_MAX];
  const uint8_t length = outgoing.due(now_ms, frame);
  if (length > 0) Serial.write(frame, length);
  delay(5);
}
