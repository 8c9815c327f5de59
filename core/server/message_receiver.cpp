#include "server/message_receiver.hpp"

namespace lsmtpd::server {

void MessageReceiver::begin() {
  body_.emplace(resources_);
  given_up_ = complete_ = false;
}

bool MessageReceiver::append(std::string_view piece) {
  if (given_up_ || body_->append(piece)) return true;
  give_up();
  return false;
}

void MessageReceiver::give_up() {
  given_up_ = true;
  body_.reset();
}

void MessageReceiver::discard() {
  body_.reset();
}

std::shared_ptr<const message::Body> MessageReceiver::finish() {
  complete_ = false;
  auto body = body_->finish();
  body_.reset();
  return body;
}

}  // namespace lsmtpd::server
