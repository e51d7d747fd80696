// The board under the sketch: a clock of milliseconds on timer 0, the UART, the converter; registers by the ATmega328P's
// data sheet. Between ticks the processor sleeps.

#include "Arduino.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <util/atomic.h>

#include "EEPROM.h"

HardwareSerial Serial;
EEPROMClass EEPROM;

static volatile uint32_t passed_ms;

static const uint8_t INPUT_BYTES = 64;  // a power of two: its counters may wrap
static volatile uint8_t input[INPUT_BYTES];
static volatile uint8_t came, taken;

ISR(TIMER0_COMPA_vect) { passed_ms++; }

ISR(USART_RX_vect) {
  const uint8_t byte = UDR0;
  if (static_cast<uint8_t>(came - taken) < INPUT_BYTES) input[came++ % INPUT_BYTES] = byte;
}

uint32_t millis() {
  uint32_t now_ms;
  ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { now_ms = passed_ms; }
  return now_ms;
}

void delay(uint32_t ms) {
  const uint32_t began_ms = millis();
  while (millis() - began_ms < ms) sleep_mode();
}

int analogRead(uint8_t pin) {
  ADMUX = _BV(REFS0) | pin;  // against AVcc
  ADCSRA = _BV(ADEN) | _BV(ADSC) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);  // 125 kHz
  while (ADCSRA & _BV(ADSC)) {
  }
  return ADC;
}

void HardwareSerial::begin(uint32_t baud) {
  UCSR0A = _BV(U2X0);
  UBRR0 = static_cast<uint16_t>((F_CPU / 4 / baud - 1) / 2);
  UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);  // 8 bits, no parity, one stop bit
  UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
}

int HardwareSerial::available() { return static_cast<uint8_t>(came - taken); }

int HardwareSerial::read() { return available() ? input[taken++ % INPUT_BYTES] : -1; }

void HardwareSerial::write(const uint8_t* bytes, size_t count) {
  while (count-- > 0) {
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    UDR0 = *bytes++;
  }
}

int main() {
  TCCR0A = _BV(WGM01);
  OCR0A = F_CPU / 64 / 1000 - 1;
  TIMSK0 = _BV(OCIE0A);
  TCCR0B = _BV(CS01) | _BV(CS00);
  set_sleep_mode(SLEEP_MODE_IDLE);
  sei();
  setup();
  for (;;) loop();
}
