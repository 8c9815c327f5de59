// SPDX-License-Identifier: Apache-2.0
#include "app/reload.hpp"

#include <algorithm>

#include "app/certificates.hpp"
#include "app/process.hpp"
#include "config/keys.hpp"
#include "log/log.hpp"

namespace lsmtpd::app {

Reload::Reload(Running& running, std::function<void()> done)
    : running_(running), done_(std::move(done)), patience_([this] {
        fail_with(fmt::format(
            "not ready after {} s: sessions still use older configurations, or a plugin does not "
            "answer",
            kPatienceMs / 1000));
      }) {}

Reload::~Reload() {
  running_.generations.when_changed = [] {};
}

void Reload::begin() {
  running_.loop.deadlines().arm(patience_, kPatienceMs);
  if (!read_and_check() || !start_instances()) {
    give_up();
    return;
  }
  wait_for_room();
}

bool Reload::read_and_check() {
  auto loaded = load_config(running_.file);
  file_ = loaded.config.file;
  diagnostics_ = std::move(loaded.diagnostics);
  const bool readable = !has_errors(diagnostics_);
  next_ = std::make_unique<Configured>(std::move(loaded.config),
                                       running_.configured->setup.foundation(),
                                       running_.generations.instances());
  const auto& config = next_->config;
  if (!readable) return false;
  for (const auto& change : config::fixed_changes(running_.configured->config, config)) {
    diagnostics_.push_back({false, change.at,
                            fmt::format("{}.{} cannot change while lsmtpd runs",
                                        config::info(change.key.section).name, change.key.name),
                            "restart lsmtpd, or write the former value"});
  }
  const auto& limits = config.limits;
  require(raise_descriptor_limit(limits.connections), limits.given["connections"], diagnostics_);
  next_->setup.load(diagnostics_);
  check_certificates(config, diagnostics_);
  require(check_log_file(config.log.file), config.log.given["file"], diagnostics_);
  if (!has_errors(diagnostics_)) {
    bound_ = bind_listeners(config, static_cast<uint32_t>(running_.workers.size()),
                            running_.addresses, diagnostics_);
  }
  return !has_errors(diagnostics_);
}

bool Reload::start_instances() {
  generation_ = make_generation(*next_, running_.generations.next_number());
  for (const auto& [name, instance] : generation_->instances) {
    if (instance->started()) continue;
    if (auto status = instance->start(); !status) {
      const auto* entry = next_->config.plugin(name);
      diagnostics_.push_back({false, entry->position, status.error().message, {}});
      return false;
    }
    started_.push_back(instance);
  }
  return true;
}

// When too many live, the sessions of the oldest are told to leave it.
void Reload::wait_for_room() {
  if (failed_) return;
  if (!running_.generations.has_room_for(*generation_)) {
    running_.generations.when_changed = [this] { wait_for_room(); };
    return;
  }
  running_.generations.when_changed = [] {};
  count_waiting();
}

// An output that goes, or that gets another fallback, must not leave messages behind that nobody
// would replay.
void Reload::count_waiting() {
  const auto& now = running_.generations.current();
  std::vector<std::pair<std::string, std::string>> gone;  // output, fallback
  std::vector<server::Worker::Waiting> asked;
  for (const auto& [output, fallback] : now.fallbacks) {
    const auto next = generation_->fallbacks.find(output);
    if (next != generation_->fallbacks.end() && next->second == fallback &&
        generation_->instances.at(fallback) == now.instances.at(fallback))
      continue;
    gone.emplace_back(output, fallback);
    asked.push_back({now.replays.at(fallback), output});
  }
  if (gone.empty()) {
    counted({}, {});
    return;
  }
  const std::weak_ptr<const bool> here = here_;
  running_.workers.front()->count_waiting(
      asked, [this, here, gone,
              &loop = running_.loop](const std::vector<std::optional<uint64_t>>& counts) {
        loop.post([this, here, gone, counts] {
          if (!here.expired() && !failed_) counted(gone, counts);
        });
      });
}

void Reload::counted(const std::vector<std::pair<std::string, std::string>>& gone,
                     const std::vector<std::optional<uint64_t>>& counts) {
  for (size_t i = 0; i < gone.size(); ++i) {
    const auto& [output, fallback] = gone[i];
    if (counts[i] == 0) continue;
    const auto* entry = next_->config.plugin(output);
    diagnostics_.push_back(
        {false, entry ? entry->position : config::Position{},
         counts[i] ? fmt::format("plugin.{}: {} {} in its fallback {} wait for it", output,
                                 *counts[i], *counts[i] == 1 ? "message" : "messages", fallback)
                   : fmt::format("plugin.{}: it cannot be found out whether messages in its "
                                 "fallback {} wait for it",
                                 output, fallback),
         "keep it, with that fallback, until they are delivered; or export and remove them"});
  }
  if (!has_errors(diagnostics_) && prepare_changes()) {
    prepare_workers();
  } else {
    give_up();
  }
}

bool Reload::prepare_changes() {
  for (auto& change : next_->setup.changes()) {
    if (!change.options) continue;
    if (auto status = change.instance->prepare(std::move(change.options)); !status) {
      diagnostics_.push_back({false, change.position, status.error().message, {}});
      return false;
    }
    prepared_.push_back(&change);
  }
  return true;
}

// Worker 0 first: it makes what the others use.
void Reload::prepare_workers() {
  running_.generations.add(generation_);
  added_ = true;
  workers_left_ = running_.workers.size();
  prepare_worker(0);
}

void Reload::prepare_worker(uint32_t index) {
  running_.generations.expect_part(index);
  // On the worker's loop the reload may be gone.
  const std::weak_ptr<const bool> here = here_;
  const auto answer = [this, here, index, &loop = running_.loop](const Status& status) {
    loop.post([this, here, index, status] {
      if (!here.expired()) prepared(index, status);
    });
  };
  running_.workers[index]->prepare(generation_, answer);
}

void Reload::prepared(uint32_t index, const Status& status) {
  --workers_left_;
  if (!status) diagnostics_.push_back({false, {}, status.error().message, {}});
  const bool wrong = has_errors(diagnostics_);
  if (index == 0 && !wrong) {
    for (uint32_t i = 1; i < running_.workers.size(); ++i) prepare_worker(i);
  }
  if (index == 0 && wrong) {
    give_up();
  } else if (workers_left_ == 0) {
    wrong ? give_up() : commit();
  }
}

void Reload::cancel() {
  if (!committing_ && !failed_) fail_with("lsmtpd was told to stop");
}

void Reload::fail_with(std::string message, config::Position at, std::string hint) {
  if (failed_) return;
  diagnostics_.push_back({false, at, std::move(message), std::move(hint)});
  give_up();
}

// Everything is as it was: what was made for this generation ends with it.
void Reload::give_up() {
  failed_ = true;
  patience_.disarm();
  running_.generations.when_changed = [] {};
  for (auto* change : prepared_) change->instance->abort();
  prepared_.clear();
  if (added_) {
    for (const auto& worker : running_.workers) worker->give_up([] {});
  } else {
    for (const auto& instance : started_) instance->stop();
  }
  started_.clear();
  finish();
}

std::string Reload::first_error() const {
  for (const auto& diagnostic : diagnostics_) {
    if (!diagnostic.warning) return config::format(diagnostic, file_);
  }
  return {};
}

void Reload::log_result() const {
  for (const auto& one : diagnostics_) {
    const std::vector<log::Field> fields = {{"config", file_},
                                            {"line", one.position.line},
                                            {"column", one.position.column},
                                            {"why", one.message},
                                            {"hint", one.hint}};
    if (one.warning) {
      log::write(log::Level::warn, "reload_warning", fields);
    } else {
      log::write(log::Level::error, "reload_failed", fields);
    }
  }
  if (!succeeded_) return;
  log::info("reloaded", {{"config", file_},
                         {"generation", running_.generations.in_force()},
                         {"generations", running_.generations.count()}});
}

void Reload::finish() {
  config::sort_by_position(diagnostics_);
  bound_.clear();
  const std::weak_ptr<const bool> here = here_;
  running_.loop.post([this, here] {
    if (!here.expired()) done_();
  });
}

}  // namespace lsmtpd::app
