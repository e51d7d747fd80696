// A soil node with a tiltmeter: soil moisture, soil temperature, battery and tilt as a line of text every INTERVAL_MS.
// For an Arduino with a 10-bit converter (Uno, Nano, Pro Mini) and an RS-485 or UART line to the gateway.
// 土壌水分・地温・電池電圧・傾斜角を、チェックサム付きのテキスト行で送るノードです。

#include <Arduino.h>

#include "line.h"

#ifndef NODE_ID
#define NODE_ID 1042
#endif
#ifndef INTERVAL_MS
#define INTERVAL_MS 10000UL
#endif

static const uint8_t PIN_MOISTURE = A0;
static const uint8_t PIN_TEMPERATURE = A1;
static const uint8_t PIN_BATTERY = A2;
static const uint8_t PIN_TILT = A3;

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

static Line line;
static uint32_t last_ms;

// The mean of 16 counts, or -1 where they are not plausible.
static int sample(uint8_t pin) {
  int32_t sum = 0;
  for (uint8_t i = 0; i < 16; i++) sum += analogRead(pin);
  int mean = static_cast<int>((sum + 8) / 16);
  return mean < PLAUSIBLE_LOW || mean > PLAUSIBLE_HIGH ? -1 : mean;
}

static int32_t millivolts(int counts) { return (counts * REFERENCE_MV + 512) / 1024; }

static void send_line() {
  line.begin("SOIL");
  line.field(NODE_ID, 0);
  int counts = sample(PIN_MOISTURE);
  if (counts < 0) {
    line.missing();
  } else {
    int32_t permille = (MOISTURE_DRY - counts) * MOISTURE_WET_PERMILLE / (MOISTURE_DRY - MOISTURE_WET);
    line.field(constrain(permille, 0, 1000), 1);
  }
  counts = sample(PIN_TEMPERATURE);
  counts < 0 ? line.missing() : line.field(millivolts(counts) - TEMPERATURE_ZERO_MV, 1);
  counts = sample(PIN_BATTERY);
  counts < 0 ? line.missing() : line.field(millivolts(counts) * BATTERY_DIVIDER, 3);
  counts = sample(PIN_TILT);
  counts < 0 ? line.missing() : line.field((millivolts(counts) - TILT_LEVEL_MV) * 100 / TILT_MV_PER_DEGREE, 2);
  Serial.print(line.end());
}

void setup() {
  Serial.begin(9600);
  last_ms = millis() - INTERVAL_MS;  // the first line at once
}

void loop() {
  // A difference of 32 bits without sign: right also when millis() begins anew after 49 days.
  const uint32_t passed_ms = static_cast<uint32_t>(millis()) - last_ms;
  if (passed_ms < INTERVAL_MS) {
    delay(10);
    return;
  }
  last_ms += INTERVAL_MS;
  send_line();
}
