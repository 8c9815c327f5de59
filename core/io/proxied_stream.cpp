// SPDX-License-Identifier: Apache-2.0
#include "io/proxied_stream.hpp"

#include <utility>

namespace lsmtpd::io {

ProxiedStream::ProxiedStream(Loop& loop, std::unique_ptr<Stream> below, Endpoint peer,
                             Endpoint local, std::string_view first)
    : loop_(loop),
      below_(std::move(below)),
      peer_(std::move(peer)),
      local_(std::move(local)),
      first_(first) {
  below_->set_handler(*this);
}

// The stream below reads only once its earlier octets are delivered.
void ProxiedStream::read_start() {
  reading_ = true;
  if (first_.empty()) {
    below_->read_start();
  } else if (!std::exchange(delivery_due_, true)) {
    loop_.defer([this, alive = std::weak_ptr<const bool>(alive_)] {
      if (!alive.expired()) deliver();
    });
  }
}

void ProxiedStream::read_stop() {
  reading_ = false;
  below_->read_stop();
}

void ProxiedStream::deliver() {
  delivery_due_ = false;
  if (!reading_ || first_.empty()) return;
  const std::weak_ptr<const bool> alive(alive_);
  const std::string first = std::exchange(first_, {});
  handler_->on_read(first);
  if (!alive.expired() && reading_) below_->read_start();
}

void ProxiedStream::close_when_sent(bool linger) {
  reading_ = false;
  first_.clear();
  below_->close_when_sent(linger);
}

void ProxiedStream::close() {
  reading_ = false;
  first_.clear();
  below_->close();
}

}  // namespace lsmtpd::io
