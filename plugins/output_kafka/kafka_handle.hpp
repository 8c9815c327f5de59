// SPDX-License-Identifier: Apache-2.0
// A producer of librdkafka: idempotent, acks=all, with its events on one queue that a descriptor
// tells of.
//
// make() and the destructor block: on the clerk only. librdkafka has threads of its own, one for
// each broker and one beside; the functions are for any of them. [any]
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "kafka_options.hpp"

namespace lsmtpd::kafka {

class Handle {
 public:
  struct Setup {
    std::string brokers;    // "host:port,host:port"
    std::string client_id;  // for the brokers' logs and quotas
    std::string password;
    std::uint64_t batch_bytes = kBatchBytes;
    std::uint64_t queue_bytes = 0;  // more than the lane ever gives it
  };
  // A batch is refused as a whole where it is larger than max.message.bytes, though each record in
  // it is small: no larger than the smallest topic allows. Large enough for the rate.
  static constexpr std::uint64_t kBatchBytes = 64 * 1024;
  // Payloads above this are not copied into requests.
  static constexpr std::uint64_t kCopiedBytes = 4096;

  // Or why it cannot be made: the option that librdkafka does not take, the file that it cannot
  // read.
  static tl::expected<std::shared_ptr<Handle>, std::string> make(const Options& options,
                                                                 const Setup& setup);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  rd_kafka_t* raw() const { return raw_; }
  // The non-blocking descriptor gets eight octets when there are events: one such write may stand
  // for many of them, so poll() until there is none.
  void notify(int descriptor) const;
  // The next event, or null. To be destroyed with rd_kafka_event_destroy().
  rd_kafka_event_t* poll() const { return rd_kafka_queue_poll(queue_, 0); }
  // Ends everything that was given to it; the reports follow.
  void purge() const;
  // Used at the next connection.
  void set_password(const std::string& user, const std::string& password) const;

 private:
  explicit Handle(rd_kafka_t* raw);

  rd_kafka_t* raw_;
  rd_kafka_queue_t* queue_;
};

}  // namespace lsmtpd::kafka
