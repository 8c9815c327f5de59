// SPDX-License-Identifier: Apache-2.0
#include "kafka_handle.hpp"

#include <algorithm>

namespace lsmtpd::kafka {

namespace {

// A record that is larger than the topic's limit is refused before it gets here: this is
// librdkafka's own largest.
constexpr const char* kAnySize = "1000000000";
// Of one request: librdkafka makes its buffer as large as all that waits, up to this many records
// of kCopiedBytes.
constexpr const char* kBatchRecords = "256";
// Beyond all deadlines: what ends a message is the lane, as for other outputs. A retry of the same
// producer has the record's sequence number and stores it once; a message that is given up, and
// sent again by replay, may be stored twice.
constexpr std::chrono::milliseconds kLeastMessageTimeout{60'000};
// A broker that knows a new topic late.
constexpr const char* kPropagation = "5000";
constexpr std::chrono::milliseconds kLongestRequest{30'000};

class Configuration {
 public:
  Configuration() : raw_(rd_kafka_conf_new()) {}
  ~Configuration() {
    if (raw_ != nullptr) rd_kafka_conf_destroy(raw_);
  }
  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  void set(const char* key, const std::string& value) {
    char text[512];
    if (!error_.empty() ||
        rd_kafka_conf_set(raw_, key, value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK)
      return;
    error_ = text;
  }
  void set(const char* key, std::chrono::milliseconds value) {
    set(key, std::to_string(value.count()));
  }
  void events(int which) { rd_kafka_conf_set_events(raw_, which); }
  const std::string& error() const { return error_; }
  rd_kafka_t* make(std::string* error) {
    char text[512];
    rd_kafka_t* made = rd_kafka_new(RD_KAFKA_PRODUCER, raw_, text, sizeof text);
    if (made == nullptr) {
      *error = text;
    } else {
      raw_ = nullptr;  // it is the handle's now
    }
    return made;
  }

 private:
  rd_kafka_conf_t* raw_;
  std::string error_;
};

void set_producer(const Options& options, const Handle::Setup& setup, Configuration* conf) {
  conf->set("bootstrap.servers", setup.brokers);
  conf->set("client.id", setup.client_id);
  conf->set("enable.idempotence", "true");
  conf->set("acks", "all");
  conf->set("allow.auto.create.topics", "false");
  conf->set("topic.metadata.propagation.max.ms", kPropagation);
  conf->set("partitioner", "murmur2_random");
  conf->set("linger.ms", "0");
  conf->set("batch.size", std::to_string(setup.batch_bytes));
  conf->set("batch.num.messages", kBatchRecords);
  conf->set("message.max.bytes", kAnySize);
  conf->set("message.copy.max.bytes", std::to_string(Handle::kCopiedBytes));
  conf->set("queue.buffering.max.messages", std::to_string(options.in_flight));
  constexpr std::uint64_t kMostKbytes = 2'147'483'647;
  conf->set("queue.buffering.max.kbytes",
            std::to_string(std::min(setup.queue_bytes / 1024 + 1, kMostKbytes)));
  conf->set("log.queue", "true");
  conf->set("log.connection.close", "false");
}

void set_times(const Options& options, Configuration* conf) {
  conf->set("message.timeout.ms", std::max(2 * options.stall, kLeastMessageTimeout));
  conf->set("socket.timeout.ms", options.stall);
  conf->set("request.timeout.ms", std::min(options.stall, kLongestRequest));
  conf->set("socket.connection.setup.timeout.ms", options.connect_timeout);
  conf->set("socket.keepalive.enable", "true");
  conf->set("socket.nagle.disable", "true");
  conf->set("reconnect.backoff.ms", options.reconnect_first);
  conf->set("reconnect.backoff.max.ms", options.reconnect_last);
}

void set_login(const Options& options, const Handle::Setup& setup, Configuration* conf) {
  const bool sasl = !options.mechanism.empty();
  conf->set("security.protocol",
            std::string(sasl ? "sasl_" : "") + (options.use_tls ? "ssl" : "plaintext"));
  if (sasl) {
    conf->set("sasl.mechanisms", options.mechanism);
    conf->set("sasl.username", options.username);
    conf->set("sasl.password", setup.password);
  }
  if (!options.use_tls) return;
  const TlsOptions& tls = options.tls;
  if (!tls.ca.empty()) conf->set("ssl.ca.location", tls.ca);
  if (!tls.certificate.empty()) {
    conf->set("ssl.certificate.location", tls.certificate);
    conf->set("ssl.key.location", tls.key);
    if (!tls.key_password.empty()) conf->set("ssl.key.password", tls.key_password);
  }
  conf->set("enable.ssl.certificate.verification", tls.verify == Verify::none ? "false" : "true");
  conf->set("ssl.endpoint.identification.algorithm", tls.verify == Verify::name ? "https" : "none");
}

}  // namespace

tl::expected<std::shared_ptr<Handle>, std::string> Handle::make(const Options& options,
                                                                const Setup& setup) {
  Configuration conf;
  set_producer(options, setup, &conf);
  set_times(options, &conf);
  set_login(options, setup, &conf);
  conf.events(RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
  std::string error = conf.error();
  rd_kafka_t* raw = error.empty() ? conf.make(&error) : nullptr;
  if (raw == nullptr) return tl::unexpected(error);
  return std::shared_ptr<Handle>(new Handle(raw));
}

Handle::Handle(rd_kafka_t* raw) : raw_(raw), queue_(rd_kafka_queue_get_main(raw)) {
  rd_kafka_set_log_queue(raw_, nullptr);  // the main queue
}

Handle::~Handle() {
  rd_kafka_queue_io_event_enable(queue_, -1, nullptr, 0);
  rd_kafka_queue_destroy(queue_);
  rd_kafka_destroy(raw_);
}

void Handle::notify(int descriptor) const {
  const std::uint64_t one = 1;  // as an eventfd takes it
  rd_kafka_queue_io_event_enable(queue_, descriptor, &one, sizeof one);
}

void Handle::purge() const {
  (void)rd_kafka_purge(
      raw_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void Handle::set_password(const std::string& user, const std::string& password) const {
  if (rd_kafka_error_t* error = rd_kafka_sasl_set_credentials(raw_, user.c_str(), password.c_str()))
    rd_kafka_error_destroy(error);
}

}  // namespace lsmtpd::kafka
