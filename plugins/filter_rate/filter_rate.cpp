// SPDX-License-Identifier: Apache-2.0
// filter_rate: token buckets for clients, users, senders and recipients: docs/filter-rate.md.
#include <lsmtpd/sdk/plugin.hpp>

#include <algorithm>
#include <random>

#include "decision_counter.hpp"
#include "limit.hpp"
#include "log_lines/line_limit.hpp"

namespace {

namespace sdk = lsmtpd::sdk;
using namespace lsmtpd::rate;
using Count = Limit::Count;
using lsmtpd::common::Decided;

lsmtpd::common::HashKey random_key() {
  std::random_device random;
  const auto word = [&] { return uint64_t{random()} << 32 | random(); };
  return {word(), word()};
}

std::vector<lsmtpd::mail_names::Network> networks(const sdk::Config& config, const char* key,
                                                  const Mistake& mistake) {
  std::vector<lsmtpd::mail_names::Network> list;
  for (const std::string_view text : config.list(key)) {
    std::string problem;
    if (const auto network = lsmtpd::mail_names::parse_network(text, problem))
      list.push_back(*network);
    else
      mistake(key, problem);
  }
  return list;
}

void ignore(const std::string&, const std::string&) {}

class Lane;

class Instance : public sdk::Instance {
 public:
  static constexpr lsmtpd_option options[] = {
      sdk::option::tables("limits", kLimitColumns, "all of them hold"),
      sdk::option::integer("client_prefix_v4", "32", "bits that clients of one bucket share", 8,
                           32),
      sdk::option::integer("client_prefix_v6", "64", "the same for IPv6", 16, 128),
      sdk::option::list("exempt", nullptr, "networks of clients that nothing is counted of"),
      sdk::option::integer("buckets", "65536", "that there is memory for, 24 bytes each", 64,
                           16777216),
      sdk::option::boolean("dry_run", "false", "count and log, and refuse nothing"),
  };

  static void validate(sdk::Config config, sdk::Report report) {
    const Mistake mistake = [&](const std::string& key, const std::string& text) {
      report.error(key, text);
    };
    networks(config, "exempt", mistake);
    const size_t count = read_limits(config, mistake).size();
    if (count == 0) report.warning("limits", "there are none, so nothing is limited");
    if (count > 1000) report.error("limits", "there are at most 1000");
  }

  Instance(sdk::Host host, sdk::Config config)
      : sdk::Instance(host, config),
        limits_(read_limits(config, ignore)),
        owners_({static_cast<unsigned>(config.integer("client_prefix_v4")),
                 static_cast<unsigned>(config.integer("client_prefix_v6"))},
                networks(config, "exempt", ignore), random_key()) {}

  bool start(sdk::Report& report) override {
    const auto count = static_cast<size_t>(config().integer("buckets"));
    memory_ = host().reserve(Buckets::bytes(count));
    if (!memory_) {
      report.error("buckets", "there is no memory for so many (limits.memory)");
      return false;
    }
    std::vector<Size> sizes;
    for (const Limit& limit : limits_) sizes.push_back(limit.size);
    buckets_ = std::make_unique<Buckets>(count, std::move(sizes));
    return true;
  }
  void stop() override {
    buckets_.reset();
    memory_.release();
  }
  uint32_t phases() const override {
    return LSMTPD_PHASE_CONNECT | LSMTPD_PHASE_MAIL | LSMTPD_PHASE_RCPT;
  }
  std::unique_ptr<Lane> open_lane(const sdk::LaneHost& lane_host);

  const std::vector<Limit>& limits() const { return limits_; }
  const Owners& owners() const { return owners_; }
  Buckets& buckets() { return *buckets_; }

 private:
  const std::vector<Limit> limits_;
  const Owners owners_;
  sdk::Reservation memory_;
  std::unique_ptr<Buckets> buckets_;
};

class Lane : public sdk::Lane, public sdk::SessionFilter, public sdk::Filter {
 public:
  Lane(const sdk::LaneHost& host, Instance& instance)
      : sdk::Lane(host),
        instance_(instance),
        dry_run_(instance.config().boolean("dry_run")),
        decided_(host, dry_run_, {Decided::proceed, Decided::reject, Decided::tempfail}),
        lines_(instance.limits().size(), lsmtpd::log_lines::LineLimit(1)) {}

  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void message(sdk::Call call, sdk::FilterMessage message) override;
  void cancel(lsmtpd_call) override {}  // every call is answered at once

 private:
  struct Taken {
    uint16_t number;
    uint64_t hash;
  };
  bool admits(uint16_t number, uint64_t hash, std::vector<Taken>& taken);
  void refuse(sdk::Call call, const Limit& limit, uint32_t phase);
  void log_dry_run(uint16_t number, const lsmtpd_envelope& envelope);

  Instance& instance_;
  const bool dry_run_;
  const lsmtpd::common::DecisionCounter decided_;
  std::vector<lsmtpd::log_lines::LineLimit> lines_;  // by limit
};

std::unique_ptr<Lane> Instance::open_lane(const sdk::LaneHost& lane_host) {
  return std::make_unique<Lane>(lane_host, *this);
}

// When a limit is looked at: at connect those of connections, at RCPT those of recipients and those
// that belong to one, at MAIL the others.
uint32_t phase_of(const Limit& limit) {
  if (limit.count == Count::connections) return LSMTPD_PHASE_CONNECT;
  return limit.of_recipient() || limit.count == Count::recipients ? LSMTPD_PHASE_RCPT
                                                                  : LSMTPD_PHASE_MAIL;
}

// Bytes are known when the message is there, and so is whether several of its recipients share the
// bucket of one domain: such a bucket is looked at before, and charged then.
bool is_charged_at_the_end(const Limit& limit) {
  return limit.count == Count::bytes ||
         (limit.count == Count::messages && limit.per == Limit::Per::recipient_domain);
}

bool Lane::admits(uint16_t number, uint64_t hash, std::vector<Taken>& taken) {
  const Limit& limit = instance_.limits()[number];
  if (is_charged_at_the_end(limit))
    return instance_.buckets().has_one(number, hash, host().now_ms());
  if (!instance_.buckets().take(number, hash, host().now_ms())) return false;
  taken.push_back({number, hash});
  return true;
}

Decided decided_by(const Limit& limit) {
  return limit.code >= 500 ? Decided::reject : Decided::tempfail;
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const lsmtpd_envelope& envelope = *event.envelope;
  if (instance_.owners().is_exempt(envelope)) return call.proceed();
  std::vector<Taken> taken;
  const Limit* would_refuse = nullptr;
  for (uint16_t number = 0; number < instance_.limits().size(); ++number) {
    const Limit& limit = instance_.limits()[number];
    if (phase_of(limit) != event.phase) continue;
    const uint64_t newest = envelope.recipient_count == 0 ? 0 : envelope.recipient_count - 1;
    const auto owner = instance_.owners().find(limit, number, envelope, newest);
    if (!owner || admits(number, *owner, taken)) continue;
    if (dry_run_) {
      log_dry_run(number, envelope);
      if (would_refuse == nullptr) would_refuse = &limit;
      continue;
    }
    // Nothing happened, so nothing is counted.
    for (const Taken& each : taken)
      instance_.buckets().give_back(each.number, each.hash, host().now_ms());
    decided_.add(decided_by(limit));
    return refuse(std::move(call), limit, event.phase);
  }
  decided_.add(would_refuse == nullptr ? Decided::proceed : decided_by(*would_refuse));
  call.proceed();
}

void Lane::refuse(sdk::Call call, const Limit& limit, uint32_t phase) {
  const bool connect = phase == LSMTPD_PHASE_CONNECT;
  const std::string text = !limit.text.empty() ? limit.text
                           : connect           ? "Too many connections, try again later"
                                               : "Rate limit exceeded, try again later";
  if (limit.code >= 500) return call.reject(text, limit.code, "5.7.1", limit.shown);
  const uint32_t code = limit.code != 0 ? limit.code : connect ? 421 : 450;
  call.tempfail(text, code, connect ? "4.7.0" : "4.7.1", limit.shown);
}

void Lane::log_dry_run(uint16_t number, const lsmtpd_envelope& envelope) {
  const auto left_out = lines_[number].admit(host().now_ms());
  if (!left_out) return;
  host().info("would limit", {{"limit", instance_.limits()[number].shown},
                              {"peer", sdk::view(envelope.peer_address)},
                              {"id", sdk::view(envelope.id)},
                              {"left_out", *left_out}});
}

void Lane::message(sdk::Call call, sdk::FilterMessage message) {
  const lsmtpd_envelope& envelope = message.envelope();
  if (instance_.owners().is_exempt(envelope)) return call.proceed();
  for (uint16_t number = 0; number < instance_.limits().size(); ++number) {
    const Limit& limit = instance_.limits()[number];
    if (!is_charged_at_the_end(limit)) continue;
    // A message counts once for a domain, however many recipients it has there.
    std::vector<uint64_t> owners;
    for (uint64_t i = 0; i < (limit.of_recipient() ? envelope.recipient_count : 1); ++i)
      if (const auto owner = instance_.owners().find(limit, number, envelope, i))
        owners.push_back(*owner);
    std::sort(owners.begin(), owners.end());
    owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
    const double tokens = limit.count == Count::bytes ? static_cast<double>(message.size()) : 1.0;
    for (const uint64_t owner : owners)
      instance_.buckets().charge(number, owner, tokens, host().now_ms());
  }
  call.proceed();
}

}  // namespace

LSMTPD_PLUGIN(Instance, "filter_rate", "1.0.0", "lsmtpd", "limits rates with token buckets");
