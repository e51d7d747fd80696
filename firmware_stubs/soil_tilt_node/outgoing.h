// What is to be sent: a ring of samples, each sent again until the edge has acknowledged it. The oldest goes first, alone:
// the next is sent when it is acknowledged or has been dropped for want of room, which each later frame tells.
// It asks no clock and knows no line: the time is passed in, bytes go in and out.
#pragma once
#include <stdint.h>

#include "frames.h"

#ifndef RESEND_MS
#define RESEND_MS 1000UL
#endif

static const uint8_t CHANNELS = 4;

// What was measured at once. Of channel i there is a value where bit i of `present` is set; its metric id is i + 1.
struct Sample {
  uint32_t at_ms;
  int32_t values[CHANNELS];
  uint8_t present;
};

class Outgoing {
 public:
  static const uint8_t SAMPLES_MAX = 32;
  static const uint8_t FRAME_BYTES_MAX = 1 + 1 + 19 + 5 * CHANNELS + 2 + 1;

  // `boot` names this life of the node: never the same twice.
  void begin(uint16_t node, uint32_t boot) {
    node_ = node;
    boot_ = boot;
    chance_ = static_cast<uint16_t>(boot ^ boot >> 16 ^ node);
  }

  void add(const Sample& sample) {
    if (count_ == SAMPLES_MAX) {
      forget_oldest();
      dropped_++;
    }
    ring_[(oldest_ + count_) % SAMPLES_MAX] = sample;
    count_++;
  }

  // A frame that is to be sent now: writes it to `frame` and says how long it is, 0 for none.
  uint8_t due(uint32_t now_ms, uint8_t frame[FRAME_BYTES_MAX]) {
    if (count_ == 0 || (tries_ > 0 && now_ms - sent_ms_ < wait_ms_)) return 0;
    sent_ms_ = now_ms;
    wait_ms_ = RESEND_MS << tries_;
    wait_ms_ += wait_ms_ * chance() / 512;  // up to a half more, or two nodes on one line would meet again and again
    if (tries_ < TRIES_MAX) tries_++;
    return write(now_ms, frame);
  }

  // A byte from the line.
  void received(uint8_t byte) {
    if (!ack_.take(byte)) return;
    if (count_ == 0 || ack_.node() != node_ || ack_.boot() != boot_ || ack_.seq() != oldest_seq_) return;
    forget_oldest();
    tries_ = 0;
  }

 private:
  static const uint8_t TRIES_MAX = 4;  // so the longest wait is 16 times RESEND_MS, and up to a half more

  void forget_oldest() {
    oldest_ = (oldest_ + 1) % SAMPLES_MAX;
    oldest_seq_++;
    count_--;
  }

  uint8_t write(uint32_t now_ms, uint8_t* frame) const {
    const Sample& sample = ring_[oldest_];
    FrameWriter writer(frame);
    writer.u8(KIND_REPORT);
    writer.u16(node_);
    writer.u32(boot_);
    writer.u32(oldest_seq_);
    writer.u32(now_ms - sample.at_ms);  // without sign: right also when the clock begins anew after 49 days
    writer.u32(dropped_);
    for (uint8_t i = 0; i < CHANNELS; i++) {
      if (!(sample.present >> i & 1)) continue;
      writer.u8(i + 1);
      writer.u32(static_cast<uint32_t>(sample.values[i]));
    }
    return writer.end();
  }

  // 0 to 255, by a linear congruence (of Numerical Recipes, its upper bits; recalled, not checked).
  uint8_t chance() {
    chance_ = chance_ * 1664525UL + 1013904223UL;
    return static_cast<uint8_t>(chance_ >> 24);
  }

  Sample ring_[SAMPLES_MAX];
  uint8_t oldest_ = 0;
  uint8_t count_ = 0;
  uint8_t tries_ = 0;
  uint16_t node_ = 0;
  uint32_t boot_ = 0;
  uint32_t oldest_seq_ = 1;
  uint32_t dropped_ = 0;
  uint32_t sent_ms_ = 0;
  uint32_t wait_ms_ = 0;
  uint32_t chance_ = 0;
  AckReader ack_;
};
