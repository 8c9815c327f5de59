// SPDX-License-Identifier: Apache-2.0
// A large message on its way to a sink: it is measured and encoded on the pool, a buffer at a time,
// because its content may lie in a file and because the loop has other clients.
//
// The owner calls prepare() at once, and when the message is sent takes bytes() and consume()s
// them; when they run out it calls fill(). `changed` is called on the loop after each step;
// forget() ends that. Shared, since a step on the pool may outlive its owner. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "source.hpp"

namespace lsmtpd::sink {

class Producer : public std::enable_shared_from_this<Producer> {
 public:
  Producer(sdk::LaneHost host, sdk::Message message, std::function<void()> changed)
      : host_(std::move(host)), message_(std::move(message)), changed_(std::move(changed)) {}

  // Keeps the message for as long as the source may be used, which is longer than the call lives
  // where a step on the pool outlives it.
  const sdk::Message& message() const { return message_; }
  void prepare(std::unique_ptr<Source> source);
  bool prepared() const { return prepared_; }
  bool failed() const { return failed_; }  // the content could not be read
  std::uint64_t size() const { return source_->size(); }
  const Source& source() const { return *source_; }

  std::string_view bytes() const {
    return std::string_view(buffer_).substr(used_, filled_ - used_);
  }
  void consume(std::size_t bytes);
  // Everything was produced and consumed.
  bool finished() const { return consumed_ == source_->size(); }
  void fill();
  void forget() { changed_ = nullptr; }

 private:
  template <class Work>
  void on_pool(Work work);
  void reserve_buffer();

  sdk::LaneHost host_;
  sdk::Message message_;
  std::function<void()> changed_;
  std::unique_ptr<Source> source_;
  std::string buffer_;
  sdk::Reservation memory_;
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t consumed_ = 0;
  bool prepared_ = false;
  bool failed_ = false;
  bool busy_ = false;
};

}  // namespace lsmtpd::sink
