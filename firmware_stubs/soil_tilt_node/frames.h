// The bytes of a frame (frames.md): CRC-16/CCITT-FALSE, COBS between zero bytes, whole numbers with the high byte first.
// Everything is stuffed and unstuffed byte by byte, so no frame is held twice. No heap, no floating point.
#pragma once
#include <stdint.h>

static const uint8_t KIND_REPORT = 0x01;
static const uint8_t KIND_ACK = 0x81;

// Polynomial 0x1021, begun with 0xFFFF. Over a body with its CRC behind it, it becomes 0.
inline uint16_t crc16(uint16_t crc, uint8_t byte) {
  crc ^= static_cast<uint16_t>(static_cast<uint16_t>(byte) << 8);
  for (uint8_t bit = 0; bit < 8; bit++) {
    const uint16_t shifted = static_cast<uint16_t>(crc << 1);
    crc = crc & 0x8000 ? shifted ^ 0x1021 : shifted;
  }
  return crc;
}

// Writes one frame to `bytes`. Of fewer than 254 bytes with its CRC: longer ones would need COBS's full blocks.
class FrameWriter {
 public:
  explicit FrameWriter(uint8_t* bytes) : bytes_(bytes) {
    bytes_[0] = 0;  // ends whatever noise stands on the line
  }

  void u8(uint8_t byte) {
    crc_ = crc16(crc_, byte);
    stuff(byte);
  }

  void u16(uint16_t number) {
    u8(static_cast<uint8_t>(number >> 8));
    u8(static_cast<uint8_t>(number));
  }

  void u32(uint32_t number) {
    u16(static_cast<uint16_t>(number >> 16));
    u16(static_cast<uint16_t>(number));
  }

  // How many bytes are to be sent.
  uint8_t end() {
    const uint16_t crc = crc_;
    u16(crc);
    close_block();
    bytes_[length_++] = 0;
    return length_;
  }

 private:
  void stuff(uint8_t byte) {
    if (byte != 0) {
      bytes_[length_++] = byte;
    } else {
      close_block();
      block_ = length_++;
    }
  }

  void close_block() { bytes_[block_] = static_cast<uint8_t>(length_ - block_); }

  uint8_t* bytes_;
  uint8_t block_ = 1;   // where the block's first byte, its length, stands
  uint8_t length_ = 2;
  uint16_t crc_ = 0xFFFF;
};

// Reads acknowledgements, and passes over everything else on the line.
class AckReader {
 public:
  // Whether `byte` ends a whole acknowledgement, which the members below then say.
  bool take(uint8_t byte) {
    if (byte == 0) {
      const bool is_whole = length_ == SIZE && left_ == 0 && crc_ == 0 && body_[0] == KIND_ACK;
      length_ = left_ = 0;
      is_begun_ = false;
      crc_ = 0xFFFF;
      return is_whole;
    }
    if (left_ > 0) {
      left_--;
      put(byte);
      return false;
    }
    if (is_begun_) put(0);
    is_begun_ = true;
    left_ = static_cast<uint8_t>(byte - 1);
    return false;
  }

  uint16_t node() const { return static_cast<uint16_t>(number(1, 2)); }
  uint32_t boot() const { return number(3, 4); }
  uint32_t seq() const { return number(7, 4); }

 private:
  static const uint8_t SIZE = 13;  // kind, node, boot, seq, CRC

  void put(uint8_t byte) {
    crc_ = crc16(crc_, byte);
    if (length_ < SIZE) body_[length_] = byte;
    if (length_ <= SIZE) length_++;  // one more than SIZE is too long, however much
  }

  uint32_t number(uint8_t at, uint8_t count) const {
    uint32_t found = 0;
    while (count-- > 0) found = found << 8 | body_[at++];
    return found;
  }

  uint8_t body_[SIZE];
  uint8_t length_ = 0;
  uint8_t left_ = 0;  // of the block
  bool is_begun_ = false;
  uint16_t crc_ = 0xFFFF;
};
