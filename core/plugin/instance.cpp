// SPDX-License-Identifier: Apache-2.0
#include "plugin/instance.hpp"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "log/log.hpp"
#include "plugin/lane.hpp"
#include "plugin/thrown.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

namespace {

log::Level level_of(uint32_t level) {
  switch (level) {
    case LSMTPD_LOG_DEBUG:
      return log::Level::debug;
    case LSMTPD_LOG_INFO:
      return log::Level::info;
    case LSMTPD_LOG_WARN:
      return log::Level::warn;
    default:
      return log::Level::error;
  }
}

int32_t reserve(const lsmtpd_host* host, uint64_t bytes) {
  const auto& self = *static_cast<HostSelf*>(host->self);
  if (!self.process->resources.memory.reserve(bytes)) return -1;
  *self.reserved += bytes;
  return 0;
}

// What was never reserved is not given back: the budget would count below nothing, and refuse all.
void release(const lsmtpd_host* host, uint64_t bytes) {
  const auto& self = *static_cast<HostSelf*>(host->self);
  uint64_t held = *self.reserved;
  while (!self.reserved->compare_exchange_weak(held, held - std::min(held, bytes))) {
  }
  self.process->resources.memory.release(std::min(held, bytes));
  if (bytes > held) {
    log::error("memory_released_twice",
               {{"plugin", view(host->name)},
                {"bytes", bytes - held},
                {"hint", "the plugin released more memory than it had reserved"}});
  }
}

// Each that may not be NULL.
struct Member {
  const char* name;
  bool there;
};
Status require(const config::Plugin& entry, std::initializer_list<Member> members) {
  for (const Member& member : members) {
    if (!member.there)
      return fail("plugin.{}: {} is broken: its {} is NULL", entry.name, entry.use, member.name);
  }
  return {};
}

void write_log(const lsmtpd_host* host, uint32_t level, lsmtpd_str message,
               const lsmtpd_log_field* fields, uint32_t count) {
  constexpr uint32_t kMost = 32;
  std::vector<log::Field> all;
  all.reserve(count + 1);
  all.push_back({"plugin", view(host->name)});
  for (uint32_t i = 0; i < count && i < kMost; ++i)
    all.emplace_back(log::Key::foreign(view(fields[i].key)), view(fields[i].value));
  log::write(level_of(level), view(message), all);
}

const void* instance_extension(const lsmtpd_host*, const char* id) {
  if (std::strcmp(id, LSMTPD_LOG) == 0) return &log_table;
  if (std::strcmp(id, LSMTPD_MEMORY) == 0) return &memory_table;
  if (std::strcmp(id, LSMTPD_MESSAGE) == 0) return &View::table;
  return nullptr;
}

}  // namespace

const lsmtpd_log_1 log_table = {.enabled = [](const lsmtpd_host*, uint32_t level) -> uint32_t {
                                  return log::enabled(level_of(level));
                                },
                                .write = write_log};

const lsmtpd_memory_1 memory_table = {.reserve = reserve, .release = release};

Instance::Instance(std::unique_ptr<Options> options, const config::Plugin& entry,
                   const Process& process)
    : options_(std::move(options)),
      entry_(entry),
      process_(process),
      self_{&process, nullptr, &reserved_} {
  host_ = {.self = &self_,
           .name = str(entry_.name),
           .hostname = str(process.hostname),
           .version = str(process.version),
           .worker = 0,
           .workers = process.workers,
           .get_extension = instance_extension,
           .complete =
               [](const lsmtpd_host* host, lsmtpd_call, const lsmtpd_verdict*) {
                 log::error(
                     "call_completed_on_instance",
                     {{"plugin", view(host->name)}, {"hint", "complete calls on the lane's host"}});
               },
           .lane_closed = [](const lsmtpd_host*) {}};
}

Result<std::unique_ptr<Instance>> Instance::create(const Library& library,
                                                   std::unique_ptr<Options> options,
                                                   const config::Plugin& entry,
                                                   const Process& process) {
  std::unique_ptr<Instance> instance(new Instance(std::move(options), entry, process));
  try {
    instance->instance_ = library.factory().create(&instance->host_, instance->options_->abi());
    if (!instance->instance_)
      return fail("plugin.{}: {} could not be created", entry.name, entry.use);
    if (auto whole = instance->validate_functions(); !whole) {
      instance->instance_ = nullptr;  // nothing of it can be called safely
      return tl::unexpected(whole.error());
    }
    instance->find_extensions();
  } catch (...) {
    return fail("plugin.{}: {} could not be created: {}", entry.name, entry.use, thrown());
  }
  if (auto whole = instance->validate_extensions(); !whole) return tl::unexpected(whole.error());
  return instance;
}

Status Instance::validate_functions() const {
  return require(entry_, {{"instance.start", instance_->start != nullptr},
                          {"instance.stop", instance_->stop != nullptr},
                          {"instance.destroy", instance_->destroy != nullptr},
                          {"instance.get_extension", instance_->get_extension != nullptr},
                          {"instance.open_lane", instance_->open_lane != nullptr}});
}

Status Instance::validate_extensions() const {
  return require(
      entry_,
      {{"filter.message", !filter_ || filter_->message},
       {"session.decide", !session_ || session_->decide},
       {"admission.get", !admission_ || admission_->get},
       {"output.deliver", !output_ || output_->deliver},
       {"replay.list, load, forget or bury",
        !replay_ || (replay_->list && replay_->load && replay_->forget && replay_->dead_letter)},
       {"probe.probe", !probe_ || probe_->probe}});
}

void Instance::find_extensions() {
  const auto get = [this](const char* id) { return instance_->get_extension(instance_, id); };
  filter_ = static_cast<const lsmtpd_filter_1*>(get(LSMTPD_FILTER));
  session_ = static_cast<const lsmtpd_session_filter_1*>(get(LSMTPD_SESSION_FILTER));
  admission_ = static_cast<const lsmtpd_admission_1*>(get(LSMTPD_ADMISSION));
  output_ = static_cast<const lsmtpd_output_1*>(get(LSMTPD_OUTPUT));
  replay_ = static_cast<const lsmtpd_replay_1*>(get(LSMTPD_REPLAY));
  probe_ = static_cast<const lsmtpd_probe_1*>(get(LSMTPD_PROBE));
}

Instance::~Instance() {
  if (instance_) guarded("destroy", instance_->destroy);
}

// At the end there is nobody left to tell but the log.
void Instance::guarded(const char* what, void (*function)(const lsmtpd_instance*)) const {
  try {
    function(instance_);
  } catch (...) {
    log::error("plugin_threw", {{"plugin", name()}, {"in", what}, {"what", thrown()}});
  }
}

Status Instance::start() {
  std::vector<config::Diagnostic> problems;
  Report report(entry_, problems);
  int32_t status = -1;
  try {
    status = instance_->start(instance_, report.abi());
  } catch (...) {
    return fail("plugin.{}: could not be started: {}", name(), thrown());
  }
  std::string errors;
  for (const auto& problem : problems) {
    if (problem.warning) {
      log::warn("plugin_start", {{"plugin", name()}, {"warning", problem.message}});
    } else {
      errors += (errors.empty() ? "" : "; ") + problem.message;
    }
  }
  if (status == 0 && !errors.empty()) guarded("stop", instance_->stop);
  if (status != 0 || !errors.empty()) {
    return fail("{}", errors.empty()
                          ? fmt::format("plugin.{}: start failed with {}", name(), status)
                          : errors);
  }
  started_ = true;
  return {};
}

void Instance::stop() {
  if (started_) guarded("stop", instance_->stop);
  started_ = false;
}

}  // namespace lsmtpd::plugin
