// Runs the board's own program in a simulated ATmega328P (simavr): its UART is the terminal PORT.
//   simulate FIRMWARE PORT [--adc A0,A1,A2,A3] [--ramp] [--eeprom FILE]
// --adc: counts that the converter shall read; --ramp: A2 counts one more after each 16 readings, so that samples differ;
// --eeprom: kept in FILE, which is written at SIGTERM.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <avr_adc.h>
#include <avr_eeprom.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_elf.h>

enum { FREQUENCY = 16000000, SUPPLY_MV = 5000, EEPROM_BYTES = 1024, LOOK_CYCLES = FREQUENCY / 1000 };

static int port = -1;
static unsigned counts[4] = {450, 138, 379, 515};
static unsigned ramp_readings;
static int is_full;
static volatile sig_atomic_t is_ending;

static void end(int number) {
  (void)number;
  is_ending = 1;
}

static void sent(struct avr_irq_t* irq, uint32_t value, void* unused) {
  (void)irq, (void)unused;
  const uint8_t byte = (uint8_t)value;
  if (write(port, &byte, 1) < 0 && errno != EAGAIN) is_ending = 1;  // a full line loses the byte, as a real one might
}

static void full(struct avr_irq_t* irq, uint32_t value, void* is_off) {
  (void)irq;
  if (value) is_full = is_off != NULL;
}

static void open_port(const char* path) {
  port = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  struct termios mode;
  if (port < 0 || tcgetattr(port, &mode) != 0) {
    fprintf(stderr, "simulate: %s: %s\n", path, strerror(errno));
    exit(1);
  }
  cfmakeraw(&mode);
  tcsetattr(port, TCSANOW, &mode);
}

// The converter makes mV * 1023 / 5000 of it and cuts off, so upwards.
static void set_pin(avr_t* avr, unsigned pin, unsigned count) {
  avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + pin), (count * SUPPLY_MV + 1022) / 1023);
}

static void ramp(struct avr_irq_t* irq, uint32_t value, void* avr) {
  (void)irq;
  // The lower 32 bits of an avr_adc_mux_t: kind in 3 of them, source in the highest 13.
  if ((value & 7) == ADC_MUX_SINGLE && value >> 19 == 2) set_pin(avr, 2, counts[2] + ramp_readings++ / 16);
}

static void connect_uart(avr_t* avr) {
  uint32_t flags = 0;  // neither echoed to stdout nor slowed down where the program polls it
  avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
  const uint32_t uart = AVR_IOCTL_UART_GETIRQ('0');
  avr_irq_register_notify(avr_io_getirq(avr, uart, UART_IRQ_OUTPUT), sent, NULL);
  avr_irq_register_notify(avr_io_getirq(avr, uart, UART_IRQ_OUT_XON), full, NULL);
  avr_irq_register_notify(avr_io_getirq(avr, uart, UART_IRQ_OUT_XOFF), full, &is_full);
}

static void keep_eeprom(avr_t* avr, const char* path, const char* mode, uint32_t ioctl) {
  static uint8_t bytes[EEPROM_BYTES];
  avr_eeprom_desc_t all = {.ee = bytes, .offset = 0, .size = EEPROM_BYTES};
  const int is_write = mode[0] == 'w';
  if (is_write) avr_ioctl(avr, ioctl, &all);
  FILE* file = path ? fopen(path, mode) : NULL;
  if (!file) return;
  const size_t done = is_write ? fwrite(bytes, 1, EEPROM_BYTES, file) : fread(bytes, 1, EEPROM_BYTES, file);
  fclose(file);
  if (!is_write && done == EEPROM_BYTES) avr_ioctl(avr, ioctl, &all);
}

static void run(avr_t* avr) {
  avr_irq_t* input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
  avr_cycle_count_t look_at = 0;
  while (!is_ending) {
    const int state = avr_run(avr);
    if (state == cpu_Done || state == cpu_Crashed) exit(3);
    if (avr->cycle < look_at) continue;
    look_at = avr->cycle + LOOK_CYCLES;
    uint8_t byte;
    while (!is_full && read(port, &byte, 1) == 1) avr_raise_irq(input, byte);
  }
}

int main(int count, char** arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: simulate FIRMWARE PORT [--adc A0,A1,A2,A3] [--ramp] [--eeprom FILE]\n");
    return 2;
  }
  const char* eeprom = NULL;
  int is_ramp = 0;
  for (int i = 3; i < count; i++) {
    const char* next = i + 1 < count ? arguments[i + 1] : "";
    if (strcmp(arguments[i], "--ramp") == 0) {
      is_ramp = 1;
    } else if (strcmp(arguments[i], "--eeprom") == 0 && *next) {
      eeprom = next;
      i++;
    } else if (strcmp(arguments[i], "--adc") == 0 &&
               sscanf(next, "%u,%u,%u,%u", &counts[0], &counts[1], &counts[2], &counts[3]) == 4) {
      i++;
    } else {
      fprintf(stderr, "simulate: what is %s?\n", arguments[i]);
      return 2;
    }
  }
  elf_firmware_t firmware = {0};
  if (elf_read_firmware(arguments[1], &firmware) != 0) return 1;
  firmware.frequency = FREQUENCY;
  firmware.vcc = firmware.avcc = firmware.aref = SUPPLY_MV;
  avr_t* avr = avr_make_mcu_by_name("atmega328p");
  avr_init(avr);
  avr_load_firmware(avr, &firmware);
  open_port(arguments[2]);
  connect_uart(avr);
  for (unsigned i = 0; i < 4; i++) set_pin(avr, i, counts[i]);
  if (is_ramp) avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_OUT_TRIGGER), ramp, avr);
  signal(SIGTERM, end);
  keep_eeprom(avr, eeprom, "rb", AVR_IOCTL_EEPROM_SET);
  run(avr);
  keep_eeprom(avr, eeprom, "wb", AVR_IOCTL_EEPROM_GET);
  return 0;
}
