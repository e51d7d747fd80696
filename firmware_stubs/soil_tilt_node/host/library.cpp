// The node's sending as a library, for tests that bring a clock and a line of their own.
#include <cstddef>

#include "outgoing.h"

extern "C" {

Outgoing* node_new(uint16_t node, uint32_t boot) {
  Outgoing* outgoing = new Outgoing;
  outgoing->begin(node, boot);
  return outgoing;
}

void node_delete(Outgoing* outgoing) { delete outgoing; }

void node_add(Outgoing* outgoing, uint32_t at_ms, const int32_t* values, uint8_t present) {
  Sample sample = {at_ms, {0, 0, 0, 0}, present};
  for (uint8_t i = 0; i < CHANNELS; i++) sample.values[i] = values[i];
  outgoing->add(sample);
}

uint8_t node_due(Outgoing* outgoing, uint32_t now_ms, uint8_t* frame) { return outgoing->due(now_ms, frame); }

void node_received(Outgoing* outgoing, const uint8_t* bytes, size_t count) {
  while (count-- > 0) outgoing->received(*bytes++);
}

uint8_t node_frame_bytes_max() { return Outgoing::FRAME_BYTES_MAX; }

uint16_t node_crc16(const uint8_t* bytes, size_t count) {
  uint16_t crc = 0xFFFF;
  while (count-- > 0) crc = crc16(crc, *bytes++);
  return crc;
}
}
