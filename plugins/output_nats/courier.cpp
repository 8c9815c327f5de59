// SPDX-License-Identifier: Apache-2.0
// Courier, first part: what the loop asks for, and what it is told.
#include "courier.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <signals_blocked.hpp>
#include <system_error>

namespace lsmtpd::nats {

Courier::Courier(sdk::LaneHost host, Settings settings, Owner& owner)
    : host_(std::move(host)), settings_(std::move(settings)), owner_(owner) {}

Courier::~Courier() {
  if (wake_ >= 0) ::close(wake_);
}

bool Courier::start() {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return false;
  try {
    // The library's own threads begin in this one, and take its mask over.
    const common::SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void Courier::publish(Publication publication) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    mailbox_bytes_ += publication.body.size();
    mailbox_.push_back(std::move(publication));
    if (mailbox_.size() > 1) return;
  }
  wake();
}

// Takes nothing more for libnats, and gives back what waits.
void Courier::stop() {
  std::deque<Publication> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(mailbox_);
    mailbox_bytes_ = 0;
    if (live_socket_ >= 0) ::shutdown(live_socket_, SHUT_RDWR);
    if (tls_) tls_->interrupt();
  }
  wake();
}

void Courier::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

std::size_t Courier::unsent() const {
  const std::lock_guard lock(mutex_);
  return mailbox_bytes_ + buffered_;
}

std::uint64_t Courier::last_given() const {
  const std::lock_guard lock(mutex_);
  return last_given_;
}

// libnats does not say how far it came.
sink::Step Courier::step() const {
  if (connected_) return sink::Step::attach;
  const std::lock_guard lock(mutex_);
  return tls_ && tls_->begun() ? sink::Step::tls : sink::Step::connect;
}

// One task on the loop for all news until it runs. `mutex_` is held.
void Courier::tell() {
  if (told_) return;
  told_ = host_.post([this] { heard(); });
}

// The courier may be destroyed by the last of these.
void Courier::heard() {
  std::unique_lock lock(mutex_);
  told_ = false;
  const bool open = std::exchange(open_news_, false);
  const bool room = std::exchange(room_news_, false);
  const bool failed = std::exchange(failed_news_, false);
  const bool ended = std::exchange(ended_news_, false);
  std::vector<Answer> answers = std::exchange(answer_news_, {});
  const std::vector<std::string> denied = std::exchange(denied_news_, {});
  lock.unlock();
  if (open) owner_.courier_open(*this);
  if (!answers.empty()) owner_.courier_answers(*this, std::move(answers));
  for (const std::string& why : denied) owner_.courier_denied(*this, why);
  if (failed) owner_.courier_failed(*this, failed_step_, failed_why_);
  if (room && !failed) owner_.courier_has_room(*this);
  if (ended) owner_.courier_ended(*this);
}

}  // namespace lsmtpd::nats
