// SPDX-License-Identifier: Apache-2.0
// A stream above another, as TLS will be one: octets go in records (a length of 1 to 255, then so
// many octets, inverted), and a record of length 0 is the goodbye. It shows what the contract in
// io/stream.hpp asks of such a stream.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/loop.hpp"
#include "io/stream.hpp"

namespace lsmtpd::test {

inline std::string as_records(std::string_view content) {
  std::string all;
  while (!content.empty()) {
    const std::string_view part = content.substr(0, 255);
    all += static_cast<char>(part.size());
    for (const char c : part) all += static_cast<char>(~c);
    content.remove_prefix(part.size());
  }
  return all;
}
inline std::string goodbye_record() {
  return std::string(1, '\0');
}
// The content of whole records.
inline std::string content_of_records(std::string& records) {
  std::string content;
  while (!records.empty() && records.size() > static_cast<unsigned char>(records[0])) {
    const auto size = static_cast<unsigned char>(records[0]);
    for (size_t i = 1; i <= size; ++i) content += static_cast<char>(~records[i]);
    records.erase(0, size + 1u);
  }
  return content;
}

class RecordStream final : public io::Stream, io::Stream::Handler {
 public:
  RecordStream(io::Loop& loop, std::unique_ptr<io::Stream> below)
      : loop_(loop), below_(std::move(below)) {
    below_->set_handler(*this);
  }

  void set_handler(io::Stream::Handler& handler) override { handler_ = &handler; }
  io::Endpoint peer() const override { return below_->peer(); }
  bool has_unread_bytes() const override { return !content_.empty(); }
  void read_start() override {
    reading_ = true;
    loop_.defer([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) deliver();
    });
    if (!below_ended_) below_->read_start();
  }
  void read_stop() override {
    reading_ = false;
    below_->read_stop();
  }
  void write(std::string_view bytes) override { below_->write(as_records(bytes)); }
  uint64_t unsent() const override { return below_->unsent(); }
  void close_when_sent(bool linger) override {
    reading_ = false;
    below_->write(goodbye_record());
    below_->close_when_sent(linger);
  }
  void close() override { below_->close(); }

 private:
  void on_read(std::string_view bytes) override {
    records_ += bytes;
    while (!records_.empty() && records_.size() > static_cast<unsigned char>(records_[0])) {
      const auto size = static_cast<unsigned char>(records_[0]);
      said_goodbye_ = said_goodbye_ || size == 0;
      for (size_t i = 1; i <= size; ++i) content_ += static_cast<char>(~records_[i]);
      records_.erase(0, size + 1u);
    }
    deliver();
  }
  void on_end(End end) override {
    below_ended_ = true;
    end_ = end == End::goodbye && !said_goodbye_ ? End::silent : end;
    deliver();
  }
  void on_drained() override { handler_->on_drained(); }
  void on_closed() override { handler_->on_closed(); }

  void deliver() {
    const std::weak_ptr<int> alive = alive_;
    while (reading_ && !content_.empty()) {
      const std::string part = content_.substr(0, 4096);  // one record of TLS, say
      content_.erase(0, part.size());
      handler_->on_read(part);
      if (alive.expired()) return;
    }
    if (content_.empty() && below_ended_ && !told_ && (reading_ || end_ == End::broken)) {
      told_ = true;
      reading_ = false;
      handler_->on_end(end_);
    }
  }

  io::Loop& loop_;
  std::unique_ptr<io::Stream> below_;
  io::Stream::Handler* handler_ = nullptr;
  std::string records_;  // not decoded yet
  std::string content_;  // held back
  End end_ = End::goodbye;
  bool reading_ = false, below_ended_ = false, said_goodbye_ = false, told_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace lsmtpd::test
