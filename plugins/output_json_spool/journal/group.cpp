// SPDX-License-Identifier: Apache-2.0
#include "journal/group.hpp"

#include "journal/crc32c.hpp"

namespace lsmtpd::journal {

std::uint64_t Group::room_for(const Message& message) {
  const std::uint64_t rest = message.body ? 8 : message.content_size;
  return round_up<std::uint64_t>(kRecordHeader + message.id.size() + message.meta.size() + rest,
                                 kAlign);
}

void Group::begin(const SegmentHeader& segment, std::uint32_t position, std::uint32_t durable_end) {
  segment_ = segment;
  position_ = position;
  durable_end_ = durable_end;
  bytes_.clear();
  headers_.clear();
}

std::uint32_t Group::open(const Message& message) {
  RecordHeader header;
  header.salt = segment_.salt;
  header.position = position_ + static_cast<std::uint32_t>(bytes_.size());
  header.durable_end = durable_end_;
  header.kind = Kind::message;
  header.dead = message.dead;
  header.in_doubt = message.in_doubt;
  header.apart = message.body.has_value();
  header.id_size = static_cast<std::uint16_t>(message.id.size());
  header.meta_size = static_cast<std::uint32_t>(message.meta.size());
  header.content_size = message.content_size;
  header.time_ns = message.time_ns;
  bytes_.append(kRecordHeader, '\0').append(message.id).append(message.meta);
  expected_ = message.body ? 0 : message.content_size;
  if (message.body) {
    header.body_crc = message.body->crc;
    char number[8];
    put_u64(number, message.body->number);
    bytes_.append(number, sizeof(number));
  }
  content_at_ = bytes_.size();
  headers_.push_back(header);
  return header.position;
}

bool Group::close() {
  if (bytes_.size() - content_at_ != expected_) {
    drop();
    return false;
  }
  close_record();
  return true;
}

void Group::close_record() {
  RecordHeader& header = headers_.back();
  const std::size_t payload = header.position - position_ + kRecordHeader;
  header.payload_size = static_cast<std::uint32_t>(bytes_.size() - payload);
  header.payload_crc = crc32c(std::string_view(bytes_).substr(payload));
  bytes_.resize(round_up(bytes_.size(), kAlign));
}

void Group::drop() {
  bytes_.resize(headers_.back().position - position_);
  headers_.pop_back();
}

void Group::removals(const std::vector<Removal>& removals) {
  RecordHeader header;
  header.salt = segment_.salt;
  header.position = position_ + static_cast<std::uint32_t>(bytes_.size());
  header.durable_end = durable_end_;
  header.kind = Kind::removals;
  headers_.push_back(header);
  bytes_.append(kRecordHeader, '\0');
  char bytes[kRemoval];
  for (const Removal& removal : removals) {
    write_removal(removal, bytes);
    bytes_.append(bytes, sizeof(bytes));
  }
  close_record();
}

std::uint32_t Group::record_size() const {
  const RecordHeader& header = headers_.back();
  return static_cast<std::uint32_t>(header.end() - header.position);
}

std::string_view Group::finish() {
  const auto group_end = position_ + static_cast<std::uint32_t>(bytes_.size());
  for (RecordHeader& header : headers_) {
    header.group_end = group_end;
    write_record_header(header, bytes_.data() + (header.position - position_));
  }
  bytes_.resize(round_up(bytes_.size(), kBlock));
  return bytes_;
}

}  // namespace lsmtpd::journal
