// SPDX-License-Identifier: Apache-2.0
#include "topic_outlet.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mail_json/writer.hpp>
#include <sink/producer.hpp>

namespace lsmtpd::kafka {

namespace {

// Of librdkafka's and of ours for one record.
constexpr std::uint64_t kRecordMemory = 1024;
// Large messages that are gathered at a time: each has a buffer of the pool.
constexpr std::size_t kGathered = 4;

}  // namespace

Sending::~Sending() {
  std::free(value);
}

Topic::Topic(sdk::LaneHost host, const Options& options, std::string name, Outlet::Owner& lane,
             Cluster& cluster)
    : Outlet(std::move(host), lane),
      options_(options),
      name_(std::move(name)),
      cluster_(cluster),
      pauses_(static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

Topic::~Topic() {
  producer_lost();
}

void Topic::open() {
  if (cluster_.producer() == nullptr || phase_ == Phase::asking || phase_ == Phase::ready) return;
  timer_.cancel();
  phase_ = Phase::asking;
  cluster_.look_at(*this);
}

void Topic::checked(const TopicFacts& facts) {
  if (phase_ != Phase::asking || cluster_.producer() == nullptr) return;
  TopicVerdict verdict = judge(facts, options_.allow_lossy_target);
  if (verdict.refusal.empty() && facts.largest != 0 && facts.largest < cluster_.batch_bytes())
    verdict.refusal = "max.message.bytes " + std::to_string(facts.largest) + " is below " +
                      std::to_string(cluster_.batch_bytes()) +
                      ", which batches to several topics need";
  if (!verdict.refusal.empty()) return pause(verdict.refusal);
  if (raw_ == nullptr) raw_ = rd_kafka_topic_new(cluster_.producer(), name_.c_str(), nullptr);
  if (raw_ == nullptr) return pause(rd_kafka_err2str(rd_kafka_last_error()));
  phase_ = Phase::ready;
  pauses_.succeeded();
  refusal_.clear();
  largest_ = facts.largest;
  promises_ = verdict.promises;
  if (!verdict.warning.empty() && verdict.warning != warned_)
    host_.warn("the target may lose mail", {{"target", name()}, {"why", verdict.warning}});
  warned_ = verdict.warning;
  cluster_.topic_ready(*this);
  lane_.wake();
}

void Topic::look_again() {
  if (phase_ == Phase::ready) phase_ = Phase::idle;
  open();
}

// Refused until it is looked at again.
void Topic::pause(std::string_view why) {
  phase_ = Phase::paused;
  refusal_ = std::string(why);
  const auto rest = std::max<std::uint64_t>(pauses_.failed(0), 1);
  timer_ = host_.timer(std::chrono::milliseconds(rest), [this] {
    phase_ = Phase::idle;
    lane_.outlet_rested(*this);
  });
  fail_queued(not_sent(name() + ": " + refusal_));
  lane_.outlet_refused(*this, refusal_);
}

void Topic::connection_lost(std::string_view) {
  timer_.cancel();
  phase_ = Phase::idle;
  refusal_.clear();
}

void Topic::producer_lost() {
  timer_.cancel();
  phase_ = Phase::idle;
  refusal_.clear();
  gathering_.clear();
  if (raw_ != nullptr) rd_kafka_topic_destroy(std::exchange(raw_, nullptr));
}

std::unique_ptr<Source> Topic::source(const Part& part, const sdk::Message& message) const {
  return std::make_unique<BodySource>(host_.message_table(), message, options_.format,
                                      options_.extra, part.recipients, part.claim.get());
}

bool Topic::feed() {
  bool fed = gather();
  while (phase_ == Phase::ready && gathering_.size() < kGathered) {
    const std::uint32_t count = lane_.flight().count();
    Part* part = choose(options_.in_flight > count ? options_.in_flight - count : 0);
    if (part == nullptr) break;
    fed |= begin(part);
  }
  return fed;
}

// False: the part is done.
bool Topic::begin(Part* part) {
  const auto fail = [&](Outcome why) {
    lane_.part_done(*part, std::move(why));
    return false;
  };
  if (part->producer != nullptr && part->producer->failed())
    return fail(not_sent("the content could not be read"));
  const std::unique_ptr<Source> small =
      part->producer == nullptr ? source(*part, part->job->message) : nullptr;
  if (small != nullptr && !small->prepare()) return fail(not_sent("the content could not be read"));
  auto sending = std::make_unique<Sending>();
  sending->part = part;
  sending->topic = this;
  sending->size = small != nullptr ? small->size() : part->producer->size();
  sending->headers = headers_of(*part, options_);
  const std::uint64_t octets =
      batch_size(options_.with_key ? &part->routing_key : nullptr, sending->size, sending->headers);
  if (largest_ != 0 && octets > largest_) return fail(too_large(octets, largest_));
  const std::uint64_t room = sending->size + mail_json::Writer::kRoom;
  sending->memory = host_.reserve(room + 3 * size_of(sending->headers) + kRecordMemory);
  if (!sending->memory) return fail(not_sent("no memory left in the budget"));
  sending->value = static_cast<char*>(std::malloc(room));
  if (sending->value == nullptr) return fail(not_sent("no memory left"));
  if (small != nullptr && !fill_small(sending.get(), small.get()))
    return fail(not_sent("the content could not be read"));
  part->phase = Part::Phase::sent;
  part->bytes = octets;
  lane_.part_sent(*part);
  const std::uint64_t number = cluster_.take(std::move(sending));
  if (small != nullptr) {
    produce(number, cluster_.sending(number));
  } else {
    gathering_.push_back(number);
    gather();
  }
  return true;
}

bool Topic::fill_small(Sending* sending, Source* source) {
  const std::size_t room = sending->size + mail_json::Writer::kRoom;
  while (sending->filled < sending->size) {
    const std::int64_t got =
        source->produce(sending->value + sending->filled, room - sending->filled);
    if (got <= 0) return false;
    sending->filled += static_cast<std::uint64_t>(got);
  }
  return true;
}

// Takes what the pool has read of large messages. True: something moved.
bool Topic::gather() {
  bool moved = false;
  std::vector<std::uint64_t> numbers;
  numbers.swap(gathering_);
  for (const std::uint64_t number : numbers) {
    Sending* sending = cluster_.sending(number);
    if (sending == nullptr) continue;
    Producer& producer = *sending->part->producer;
    const std::string_view piece = producer.bytes();
    if (!piece.empty()) {
      std::memcpy(sending->value + sending->filled, piece.data(), piece.size());
      sending->filled += piece.size();
      producer.consume(piece.size());
      moved = true;
    }
    if (producer.failed()) {
      cluster_.drop(number, not_sent("the content could not be read"));
    } else if (sending->filled == sending->size) {
      producer.forget();
      produce(number, sending);
    } else {
      producer.fill();
      gathering_.push_back(number);
    }
  }
  return moved;
}

void Topic::produce(std::uint64_t number, Sending* sending) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(sending->headers.size());
  for (const auto& [key, value] : sending->headers)
    rd_kafka_header_add(headers, key.data(), static_cast<ssize_t>(key.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  sending->headers = {};
  rd_kafka_vu_t values[6] = {};
  values[0].vtype = RD_KAFKA_VTYPE_RKT;
  values[0].u.rkt = raw_;
  values[1].vtype = RD_KAFKA_VTYPE_VALUE;
  values[1].u.mem = {sending->value, static_cast<std::size_t>(sending->size)};
  values[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  values[2].u.i = RD_KAFKA_MSG_F_FREE;
  values[3].vtype = RD_KAFKA_VTYPE_OPAQUE;
  values[3].u.ptr = reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
  values[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  values[4].u.headers = headers;
  std::string& key = sending->part->routing_key;
  values[5].vtype = RD_KAFKA_VTYPE_KEY;
  values[5].u.mem = {key.data(), key.size()};
  rd_kafka_error_t* error =
      rd_kafka_produceva(cluster_.producer(), values, options_.with_key ? 6 : 5);
  if (error == nullptr) {
    sending->value = nullptr;  // librdkafka's
    return;
  }
  Delivered report;
  report.error = rd_kafka_error_code(error);
  report.topic = name_;
  report.partition = RD_KAFKA_PARTITION_UA;
  rd_kafka_error_destroy(error);
  rd_kafka_headers_destroy(headers);
  cluster_.ended(number, outcome_of(report));
}

}  // namespace lsmtpd::kafka
