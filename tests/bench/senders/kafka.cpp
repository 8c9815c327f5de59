// SPDX-License-Identifier: Apache-2.0
// Kafka by librdkafka: an idempotent producer with acks=all that sends at once, as output_kafka has
// it. URL: HOST:PORT; TARGET: a topic.
#include <librdkafka/rdkafka.h>

#include <memory>

#include "bare_sender.hpp"

namespace {

class Sender {
 public:
  explicit Sender(const bare_sender::Work& work) : work_(work) {
    char why[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const std::pair<const char*, std::string> options[] = {{"bootstrap.servers", work.url},
                                                           {"enable.idempotence", "true"},
                                                           {"acks", "all"},
                                                           {"linger.ms", "0"},
                                                           {"socket.nagle.disable", "true"}};
    for (const auto& [key, value] : options) {
      if (rd_kafka_conf_set(conf, key, value.c_str(), why, sizeof(why)) != RD_KAFKA_CONF_OK)
        throw std::runtime_error(why);
    }
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf,
                                [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                  auto* sender = static_cast<Sender*>(self);
                                  ++sender->settled_;
                                  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
                                    ++sender->accepted_;
                                });
    producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why)));
    if (!producer_) throw std::runtime_error(why);
  }

  long run() {
    while (settled_ < work_.count) {
      while (sent_ < work_.count && sent_ - settled_ < work_.window) produce();
      rd_kafka_poll(producer_.get(), 1000);
    }
    return accepted_;
  }

 private:
  void produce() {
    const std::string id = bare_sender::message_id(sent_);
    const auto error = rd_kafka_producev(
        producer_.get(), RD_KAFKA_V_TOPIC(work_.target.c_str()),
        RD_KAFKA_V_HEADER("message_id", id.c_str(), static_cast<ssize_t>(id.size())),
        RD_KAFKA_V_VALUE(const_cast<char*>(work_.body.data()), work_.body.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw std::runtime_error(rd_kafka_err2str(error));
    ++sent_;
  }

  const bare_sender::Work& work_;
  long sent_ = 0, settled_ = 0, accepted_ = 0;
  std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> producer_{nullptr, rd_kafka_destroy};
};

}  // namespace

int main(int count, char** arguments) {
  return bare_sender::run_sender<Sender>(count, arguments);
}
