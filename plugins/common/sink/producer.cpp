// SPDX-License-Identifier: Apache-2.0
#include "producer.hpp"

#include <algorithm>

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kBuffer = 256 * 1024;
// Where the budget has no more: slow, but a message that was let in gets out.
constexpr std::size_t kSmallBuffer = 8 * 1024;

}  // namespace

void Producer::prepare(std::unique_ptr<Source> source) {
  source_ = std::move(source);
  on_pool([this] {
    const bool good = source_->prepare();
    return [this, good] {
      prepared_ = good;
      failed_ = !good;
    };
  });
}

void Producer::consume(std::size_t bytes) {
  used_ += bytes;
  consumed_ += bytes;
}

void Producer::fill() {
  if (busy_ || failed_ || finished()) return;
  reserve_buffer();
  on_pool([this] {
    const std::int64_t got = source_->produce(buffer_.data(), buffer_.size());
    return [this, got] {
      failed_ = got <= 0;
      used_ = 0;
      filled_ = failed_ ? 0 : static_cast<std::size_t>(got);
    };
  });
}

void Producer::reserve_buffer() {
  if (!buffer_.empty()) return;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(source_->size(), kBuffer));
  memory_ = host_.reserve(wanted);
  buffer_.resize(memory_ ? std::max(wanted, kSmallBuffer) : kSmallBuffer);
}

// `work` runs on the pool and returns what is to be done with its result on the loop.
template <class Work>
void Producer::on_pool(Work work) {
  busy_ = true;
  const auto self = shared_from_this();
  const bool started = host_.offload([self, work] { return work(); },
                                     [self](auto apply) {
                                       apply();
                                       self->busy_ = false;
                                       if (self->changed_) self->changed_();
                                     });
  if (started) return;
  busy_ = false;
  failed_ = true;
}

}  // namespace lsmtpd::sink
