// SPDX-License-Identifier: Apache-2.0
// Lane, second part: the life of its producer, from the first connection to the end.
#include <algorithm>
#include <utility>

#include "kafka_lane.hpp"

namespace lsmtpd::kafka {

namespace {

// Of a producer that does nothing: its threads' heaps, its tables, its connections.
constexpr std::uint64_t kProducerMemory = 1024 * 1024;
// The first question after a loss: a broker that only closed an idle connection answers it at once.
constexpr std::chrono::milliseconds kFirstPatience{1000};
// Each further one: a lane that closes waits for it.
constexpr std::chrono::milliseconds kPatience{2500};
constexpr std::chrono::milliseconds kBetween{200};
// For the reports of a producer that is given up. librdkafka makes them itself.
constexpr std::chrono::milliseconds kRetiring{1000};

std::string joined(const std::vector<std::string>& brokers) {
  std::string all;
  for (const std::string& broker : brokers) all += (all.empty() ? "" : ",") + broker;
  return all;
}

}  // namespace

template <class Function>
void Lane::post(const Clerk::Token& token, Function function) {
  (void)host().post([token, function = std::move(function)]() mutable {
    if (!token->load()) function();
  });
}

rd_kafka_t* Lane::producer() const {
  return handle_ != nullptr && phase_ != Phase::retiring ? handle_->raw() : nullptr;
}

void Lane::connect() {
  phase_ = Phase::making;
  token_ = Clerk::token();
  memory_ = host().reserve(kProducerMemory);
  if (!memory_) {
    not_reached("no memory left in the budget for the producer");
    return connect_later();
  }
  Handle::Setup setup;
  setup.brokers = probing() ? probed_ : joined(options_.brokers);
  setup.client_id = "lsmtpd-" + std::string(host().name()) + "-" + std::to_string(host().worker());
  given_password_ = password_.renew(host());
  setup.password = given_password_;
  setup.batch_bytes = batch_bytes_;
  setup.queue_bytes = std::max(options_.in_flight_bytes, host().memory_limit());
  clerk_.run([this, token = token_, setup = std::move(setup)] {
    auto handle = Handle::make(options_, setup);
    if (token->load()) return;
    (void)host().post([this, token, handle = std::move(handle)]() mutable {
      if (!token->load()) return made(std::move(handle));
      clerk_.run([handle = std::move(handle)] {});  // its destructor blocks
    });
  });
}

void Lane::connect_later() {
  phase_ = Phase::none;
  timer_ = host().timer(std::chrono::milliseconds(pauses_.failed(0)), [this] { connect(); });
}

void Lane::made(tl::expected<std::shared_ptr<Handle>, std::string> handle) {
  if (!handle) {
    if (probing()) return probe_failed(Step::open, handle.error());
    not_reached(handle.error());
    return connect_later();
  }
  handle_ = *std::move(handle);
  handle_->notify(descriptor_);
  watch_ = host().watch(descriptor_, LSMTPD_READABLE, [this](std::uint32_t) {
    std::uint64_t count = 0;
    (void)!::read(descriptor_, &count, sizeof count);
    drain();
  });
  reach(kPatience);
  drain();
}

// Asks until a broker answers: librdkafka connects meanwhile.
void Lane::reach(std::chrono::milliseconds first) {
  phase_ = Phase::reaching;
  last_error_.clear();
  failed_step_ = Step::connect;
  clerk_.run([this, token = token_, handle = handle_, probe = probing(), first] {
    const auto patience = probe ? options_.connect_timeout : kPatience;
    auto timeout = probe ? options_.connect_timeout : first;
    for (bool more = !token->load(); more; more = clerk_.rest(token, kBetween)) {
      ClusterAnswer answer =
          ask_cluster(handle->raw(), std::min(timeout, options_.connect_timeout));
      timeout = patience;
      const bool done = answer.reached;
      post(token, [this, answer = std::move(answer)] {
        answer.reached ? reached(answer) : not_reached(answer.error);
      });
      if (done) return;
    }
  });
}

void Lane::reached(const ClusterAnswer& answer) {
  if (phase_ != Phase::reaching) return;
  phase_ = Phase::open;
  failed_ = false;
  if (probing()) {
    probe_steps();
    if (only_ == nullptr) {
      probe_->good(Step::attach, "not tried: the topic depends on the message");
      return probe_done();
    }
  } else {
    shared_.reach.passed(host(), "");
    up_.set(1);
    if (std::exchange(ever_reached_, true)) reconnects_.add();
    host().info("connected to the broker",
                {{"brokers", joined(options_.brokers)}, {"cluster", answer.cluster}});
  }
  for (auto& [name, topic] : topics_) topic->open();
  wake();
}

void Lane::not_reached(const std::string& why) {
  const std::string text = last_error_.empty() ? why : last_error_;
  const std::string step(to_string(last_error_.empty() ? Step::connect : failed_step_));
  if (probing()) return probe_failed(last_error_.empty() ? Step::connect : failed_step_, text);
  // librdkafka tells an error that repeats itself once in 30 s only.
  if (failed_step_ == Step::sasl && handle_ != nullptr) renew_password();
  failed_ = true;
  up_.set(0);
  failure_ = "broker not reached: " + step + ": " + text;
  shared_.reach.failed(
      host(), {"", step, step, joined(options_.brokers) + ": " + text, waiting_, host().now_ms()});
  fail_queued(failure_);
}

// No broker is connected. The records that librdkafka has wait for the next connection.
void Lane::lost(const std::string& why) {
  // Brokers close connections that are idle.
  host().log(flight_.count() == 0 ? LSMTPD_LOG_DEBUG : LSMTPD_LOG_WARN,
             "connection to the broker lost", {{"why", why}, {"unsettled", flight_.count()}});
  up_.set(0);
  flight_.be_careful(flight_.count());
  for (auto& [name, topic] : topics_) topic->connection_lost(why);
  reach(kFirstPatience);
}

void Lane::look_at(Topic& topic) {
  clerk_.run([this, token = token_, handle = handle_, name = topic.topic()] {
    if (token->load()) return;
    TopicAnswer answer =
        ask_topic(handle->raw(), name, std::min(kPatience, options_.connect_timeout));
    post(token, [this, name, answer = std::move(answer)] { looked_at(name, answer); });
  });
}

void Lane::looked_at(const std::string& name, const TopicAnswer& answer) {
  const auto found = topics_.find(name);
  if (found == topics_.end() || phase_ != Phase::open) return;
  if (!answer.reached) {
    if (probing()) return probe_failed(Step::attach, "topic " + name + ": " + answer.error);
    return lost("no answer about topic " + name + ": " + answer.error);
  }
  if (answer.facts.largest != 0 && answer.facts.largest < batch_bytes() && only_ != nullptr)
    return make_room_for(answer.facts);
  found->second->checked(answer.facts);
}

// A batch must not be larger than the topic takes, and a producer has one size for all.
void Lane::make_room_for(const TopicFacts& facts) {
  batch_bytes_ = facts.largest;
  replace("max.message.bytes of the topic is " + std::to_string(facts.largest));
}

void Lane::topic_ready(Topic& topic) {
  host().info("ready to publish", {{"target", topic.name()}, {"promises", topic.promises()}});
  if (!probing()) return;
  probe_->good(Step::attach, topic.name() + ": " + topic.promises() +
                                 ": a 250 rests on the page caches of the replicas in sync");
  probe_done();
}

void Lane::replace(const std::string& why) {
  if (phase_ == Phase::retiring || handle_ == nullptr) return;
  if (!probing())
    host().warn("giving the producer up", {{"why", why}, {"unsettled", flight_.count()}});
  retire(why);
}

// Its messages get reports, which say whether each was sent.
void Lane::retire(const std::string& why) {
  retired_why_ = why;
  clerk_.stop(token_);
  up_.set(0);
  if (handle_ == nullptr) return retired();
  phase_ = Phase::retiring;
  for (auto& [name, topic] : topics_) topic->producer_lost();
  std::vector<std::uint64_t> unfinished;
  for (const auto& [number, each] : sendings_)
    if (each->value != nullptr) unfinished.push_back(number);
  for (const std::uint64_t number : unfinished) drop(number, not_sent(why));
  handle_->purge();
  timer_ = host().timer(sendings_.empty() ? std::chrono::milliseconds(0) : kRetiring,
                        [this] { retired(); });
}

// The reports have come, or nobody waits for them any more.
void Lane::retired() {
  timer_.cancel();
  flight_.lost(flight_.count());
  stall_.reset();
  bury();
}

void Lane::bury() {
  watch_.stop();
  if (event_ != nullptr) rd_kafka_event_destroy(std::exchange(event_, nullptr));
  phase_ = Phase::none;
  // librdkafka has the values until the producer is gone.
  auto memory = std::make_shared<std::vector<sdk::Reservation>>();
  memory->push_back(std::move(memory_));
  std::vector<std::uint64_t> left;
  for (auto& [number, each] : sendings_) {
    memory->push_back(std::move(each->memory));
    left.push_back(number);
  }
  for (const std::uint64_t number : left) drop(number, kafka::lost(retired_why_));
  clerk_.run([this, handle = std::move(handle_), memory]() mutable {
    handle.reset();
    (void)host().post([this, memory] {
      memory->clear();
      if (leaving_ != nullptr) return (*std::exchange(leaving_, nullptr))();
      if (probing()) return probe_->go_on();
      if (!closing()) connect_later();
    });
  });
}

void Lane::leave(sdk::Closed& done) {
  if (std::exchange(left_, true)) return;
  leaving_ = &done;
  if (phase_ == Phase::retiring) return;
  retire("shutting down");
}

}  // namespace lsmtpd::kafka
