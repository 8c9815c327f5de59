// SPDX-License-Identifier: Apache-2.0
// Courier, second part: its thread, which has libnats to itself.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "courier.hpp"

namespace lsmtpd::nats {

namespace {

// Octets that wait in libnats; what is above waits in the mailbox.
constexpr std::size_t kWindow = 256 * 1024;
// Of what a socket's buffer may still hold, 32 KiB each.
constexpr int kLastReads = 1024;

}  // namespace

void Courier::run() {
  if (connect()) serve();
  close();
  const std::lock_guard lock(mutex_);
  ended_news_ = true;
  tell();
}

void Courier::serve() {
  while (!natsConnection_IsClosed(connection_)) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    give();
    wait();
  }
  const char* said = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection_, &said);
  const bool has_text = said != nullptr && *said != '\0';
  const std::string why = has_text ? said : natsStatus_GetText(status);
  end(sink::Step::attach, status == NATS_OK ? "the connection was closed" : why);
}

// As much of the mailbox as the socket's window allows.
void Courier::give() {
  bool given = false;
  while (buffered_ < kWindow && give_one()) given = true;
  bool write = false;
  {
    const std::lock_guard lock(mutex_);
    write = given && write_wanted_;
  }
  if (write) natsConnection_ProcessWriteEvent(connection_);
  note_unsent();
}

bool Courier::give_one() {
  Publication next;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || mailbox_.empty()) return false;
    next = std::move(mailbox_.front());
    mailbox_.pop_front();
    mailbox_bytes_ -= next.body.size();
    buffered_ += next.body.size();  // unsent() must not miss it in between
    if (next.number != 0) last_given_ = next.number;
  }
  const natsStatus status = hand_over(next);
  if (status == NATS_OK) {
    buffered_ = static_cast<std::size_t>(std::max(natsConnection_Buffered(connection_), 0));
    return true;
  }
  end(sink::Step::attach, "libnats takes no message: " + error_text(status));
  natsConnection_Close(connection_);
  return false;
}

natsStatus Courier::hand_over(const Publication& publication) {
  natsMsg* message = nullptr;
  const std::string reply = settings_.inbox + "." + publication.reply;
  natsStatus status =
      natsMsg_Create(&message, publication.subject.c_str(), reply.c_str(), publication.body.data(),
                     static_cast<int>(publication.body.size()));
  for (const auto& [key, value] : publication.headers) {
    if (status != NATS_OK) break;
    status = natsMsgHeader_Set(message, key.c_str(), value.c_str());
  }
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection_, message);
  natsMsg_Destroy(message);
  return status;
}

void Courier::note_unsent() {
  buffered_ = static_cast<std::size_t>(std::max(natsConnection_Buffered(connection_), 0));
  const std::lock_guard lock(mutex_);
  if (mailbox_bytes_ + buffered_ >= kWindow / 2 || !wants_room_.exchange(false)) return;
  room_news_ = true;
  tell();
}

void Courier::wait() {
  pollfd files[2] = {{wake_, POLLIN, 0}, {-1, POLLIN, 0}};
  {
    const std::lock_guard lock(mutex_);
    files[1].fd = live_socket_;
    if (write_wanted_) files[1].events |= POLLOUT;
    // There may be room for more at once.
    if (!write_wanted_ && !mailbox_.empty() && !stopping_) return;
  }
  if (files[1].fd < 0 || (::poll(files, 2, -1) < 0 && errno != EINTR)) return;
  if (files[0].revents != 0) {
    std::uint64_t count = 0;
    (void)!::read(wake_, &count, sizeof count);
  }
  if ((files[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
    natsConnection_ProcessReadEvent(connection_);
  if ((files[1].revents & POLLOUT) != 0) natsConnection_ProcessWriteEvent(connection_);
}

// The first reason counts.
void Courier::end(sink::Step step, const std::string& why) {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  mailbox_.clear();
  mailbox_bytes_ = 0;
  if (!failed_why_.empty()) return;
  failed_step_ = step;
  failed_why_ = why.empty() ? "unknown" : why;
  failed_news_ = true;
  tell();
}

// Until the library's last callbacks have returned.
void Courier::close() {
  if (connection_ == nullptr) return;
  // A read finds that out, and closes the connection without a wait for a last flush.
  if (!natsConnection_IsClosed(connection_)) ::shutdown(socket_, SHUT_RDWR);
  for (int i = 0; i < kLastReads && !natsConnection_IsClosed(connection_); ++i)
    natsConnection_ProcessReadEvent(connection_);
  natsConnection_Close(connection_);
  {
    std::unique_lock lock(mutex_);
    closed_.wait(lock, [this] { return closed_said_ && (!answers_end_ || answers_over_); });
  }
  natsSubscription_Destroy(answers_);
  natsConnection_Destroy(connection_);
#ifdef LSMTPD_NATS_CLOSE_EVENT
  natsConnection_ProcessCloseEvent(&socket_);
#endif
  const std::lock_guard lock(mutex_);
  tls_.reset();
}

natsStatus Courier::attach(void** data, void* self, natsConnection*, natsSock socket) {
  auto* courier = static_cast<Courier*>(self);
  *data = self;
  courier->socket_ = socket;
  const std::lock_guard lock(courier->mutex_);
  courier->live_socket_ = socket;
  return NATS_OK;
}

// Removed before the socket is closed.
natsStatus Courier::want_read(void* self, bool add) {
  auto* courier = static_cast<Courier*>(self);
  if (add) return NATS_OK;
  const std::lock_guard lock(courier->mutex_);
  courier->live_socket_ = -1;
  return NATS_OK;
}

natsStatus Courier::want_write(void* self, bool add) {
  auto* courier = static_cast<Courier*>(self);
  const std::lock_guard lock(courier->mutex_);
  courier->write_wanted_ = add;
  return NATS_OK;
}

natsStatus Courier::detach(void*) {
  return NATS_OK;
}

// The thread of the subscription. Without a callback libnats throws a 503 away, and says only that
// some message had no responder.
void Courier::on_answer(natsConnection*, natsSubscription*, natsMsg* message, void* self) {
  auto* courier = static_cast<Courier*>(self);
  const std::string_view subject = natsMsg_GetSubject(message);
  const std::size_t token_at = courier->settings_.inbox.size() + 1;
  Answer answer;
  answer.no_responders = natsMsg_IsNoResponders(message);
  if (subject.size() > token_at) answer.token = subject.substr(token_at);
  answer.body.assign(natsMsg_GetData(message),
                     static_cast<std::size_t>(natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
  const std::lock_guard lock(courier->mutex_);
  courier->answer_news_.push_back(std::move(answer));
  courier->tell();
}

// The same thread, at its end.
void Courier::on_answers_over(void* self) {
  auto* courier = static_cast<Courier*>(self);
  const std::lock_guard lock(courier->mutex_);
  courier->answers_over_ = true;
  courier->closed_.notify_all();
}

// A thread of libnats.
void Courier::on_error(natsConnection* connection, natsSubscription*, natsStatus status,
                       void* self) {
  if (status != NATS_NOT_PERMITTED) return;
  auto* courier = static_cast<Courier*>(self);
  const char* said = nullptr;
  (void)natsConnection_GetLastError(connection, &said);
  const std::lock_guard lock(courier->mutex_);
  courier->denied_news_.emplace_back(said == nullptr ? "" : said);
  courier->tell();
}

// A thread of libnats, after all its other callbacks for this connection.
void Courier::on_closed(natsConnection*, void* self) {
  auto* courier = static_cast<Courier*>(self);
  const std::lock_guard lock(courier->mutex_);
  courier->closed_said_ = true;
  courier->closed_.notify_all();
}

}  // namespace lsmtpd::nats
