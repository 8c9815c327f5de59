// SPDX-License-Identifier: Apache-2.0
// AMQP 0-9-1 by librabbitmq, with publisher confirms. URL: HOST:PORT; TARGET: a queue, by the
// default exchange.
#if __has_include(<rabbitmq-c/amqp.h>)  // since 0.13
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#include <memory>
#include <set>

#include "bare_sender.hpp"

namespace {

constexpr amqp_channel_t kChannel = 1;

void expect(const amqp_rpc_reply_t& reply, const char* what) {
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw std::runtime_error(what);
}

class Sender {
 public:
  explicit Sender(const bare_sender::Work& work) : work_(work) {
    const auto colon = work.url.rfind(':');
    amqp_socket_t* socket = amqp_tcp_socket_new(connection_.get());
    if (amqp_socket_open(socket, work.url.substr(0, colon).c_str(),
                         std::atoi(work.url.c_str() + colon + 1)) != AMQP_STATUS_OK)
      throw std::runtime_error("the broker does not answer");
    expect(amqp_login(connection_.get(), "/", 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN,
                      work.user.c_str(), work.password.c_str()),
           "the broker refuses the login");
    amqp_channel_open(connection_.get(), kChannel);
    expect(amqp_get_rpc_reply(connection_.get()), "the broker opens no channel");
    amqp_confirm_select(connection_.get(), kChannel);
    expect(amqp_get_rpc_reply(connection_.get()), "the broker confirms nothing");
  }

  long run() {
    while (sent_ < work_.count || !unconfirmed_.empty()) {
      while (sent_ < work_.count && static_cast<long>(unconfirmed_.size()) < work_.window)
        publish();
      do read();
      while (amqp_frames_enqueued(connection_.get()) || amqp_data_in_buffer(connection_.get()));
    }
    return accepted_;
  }

 private:
  void publish() {
    const std::string id = bare_sender::message_id(sent_);
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties.message_id = amqp_cstring_bytes(id.c_str());
    const amqp_bytes_t body{work_.body.size(), const_cast<char*>(work_.body.data())};
    if (amqp_basic_publish(connection_.get(), kChannel, amqp_empty_bytes,
                           amqp_cstring_bytes(work_.target.c_str()), 1, 0, &properties,
                           body) != AMQP_STATUS_OK)
      throw std::runtime_error("the connection ended");
    unconfirmed_.insert(static_cast<uint64_t>(++sent_));
  }

  void read() {
    amqp_frame_t frame;
    amqp_maybe_release_buffers(connection_.get());
    if (amqp_simple_wait_frame(connection_.get(), &frame) != AMQP_STATUS_OK)
      throw std::runtime_error("the connection ended");
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    if (frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
      settle(ack->delivery_tag, ack->multiple != 0, 1);
    } else if (frame.payload.method.id == AMQP_BASIC_NACK_METHOD) {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(frame.payload.method.decoded);
      settle(nack->delivery_tag, nack->multiple != 0, 0);
    } else {
      throw std::runtime_error("the broker returns a message or closes the channel");
    }
  }

  void settle(uint64_t tag, bool multiple, long value) {
    const auto first = multiple ? unconfirmed_.begin() : unconfirmed_.find(tag);
    const auto last = unconfirmed_.upper_bound(tag);
    accepted_ += value * std::distance(first, last);
    unconfirmed_.erase(first, last);
  }

  const bare_sender::Work& work_;
  std::unique_ptr<amqp_connection_state_t_, int (*)(amqp_connection_state_t)> connection_{
      amqp_new_connection(), amqp_destroy_connection};
  std::set<uint64_t> unconfirmed_;
  long sent_ = 0, accepted_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  return bare_sender::run_sender<Sender>(count, arguments);
}
