// SPDX-License-Identifier: Apache-2.0
#include "plugin/instance.hpp"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "log/log.hpp"
#include "plugin/lane.hpp"
#include "plugin/plugin_options.hpp"
#include "plugin/report.hpp"
#include "plugin/running.hpp"
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
Status require(const Settings& settings, std::initializer_list<Member> members) {
  for (const Member& member : members) {
    if (!member.there)
      return fail("plugin.{}: {} is broken: its {} is NULL", settings.name, settings.use,
                  member.name);
  }
  return {};
}

void write_log(const lsmtpd_host* host, uint32_t level, lsmtpd_str message,
               const lsmtpd_log_field* fields, uint32_t stride, uint32_t count) {
  constexpr uint32_t kMost = 32;
  std::vector<log::Field> all;
  all.reserve(count + 1);
  all.push_back({"plugin", view(host->name)});
  const char* at = reinterpret_cast<const char*>(fields);
  if (stride < sizeof(lsmtpd_log_field)) count = 0;
  for (uint32_t i = 0; i < count && i < kMost; ++i, at += stride) {
    const auto& field = *reinterpret_cast<const lsmtpd_log_field*>(at);
    all.emplace_back(log::Key::foreign(view(field.key)), view(field.value));
  }
  log::write(level_of(level), log::Event::foreign(view(message)), all);
}

const void* instance_extension(const lsmtpd_host*, const char* id) {
  if (std::strcmp(id, LSMTPD_LOG) == 0) return &kLogTable;
  if (std::strcmp(id, LSMTPD_MEMORY) == 0) return &kMemoryTable;
  return message_extension(id);
}

}  // namespace

const void* message_extension(const char* id) {
  if (std::strcmp(id, LSMTPD_MESSAGE) == 0) return &View::kMessageTable;
  if (std::strcmp(id, LSMTPD_ANNOTATIONS) == 0) return &kAnnotationsTable;
  if (std::strcmp(id, LSMTPD_EDITS) == 0) return &View::kEditsTable;
  if (std::strcmp(id, LSMTPD_HEADER) == 0) return &View::kHeaderTable;
  return nullptr;
}

const lsmtpd_log_1 kLogTable = {.enabled = [](const lsmtpd_host*, uint32_t level) -> uint32_t {
                                  return log::enabled(level_of(level));
                                },
                                .write = write_log};

const lsmtpd_memory_1 kMemoryTable = {.reserve = reserve, .release = release};

Instance::Instance(std::unique_ptr<Options> options, Settings settings, const Process& process)
    : options_(std::move(options)),
      settings_(std::move(settings)),
      process_(process),
      work_(*process.pool),
      self_(process, reserved_) {
  host_ = {
      .size = sizeof(lsmtpd_host),
      .worker = 0,
      .workers = process.workers,
      .reserved = 0,
      .self = &self_,
      .name = str(settings_.name),
      .hostname = str(process.hostname),
      .version = str(process.version),
      .get_extension = instance_extension,
      .complete =
          [](const lsmtpd_host* host, lsmtpd_call, const lsmtpd_verdict*) {
            log::error(
                "call_completed_on_instance",
                {{"plugin", view(host->name)}, {"hint", "complete calls on the lane's host"}});
          },
      .complete_recipients = [](const lsmtpd_host* host, lsmtpd_call call, const lsmtpd_verdict*,
                                uint32_t, uint32_t) { host->complete(host, call, nullptr); },
      .lane_closed = [](const lsmtpd_host*) {}};
}

Result<std::unique_ptr<Instance>> Instance::create(const Library& library,
                                                   std::unique_ptr<Options> options,
                                                   Settings settings, const Process& process) {
  std::unique_ptr<Instance> instance(
      new Instance(std::move(options), std::move(settings), process));
  const Settings& entry = instance->settings_;
  try {
    instance->instance_ = library.factory().create(&instance->host_, instance->options_->abi());
    if (!instance->instance_)
      return fail("plugin.{}: {} could not be created", entry.name, entry.use);
    if (auto whole = instance->validate_functions(); !whole) {
      instance->instance_ = nullptr;  // nothing of it can be called safely
      return tl::unexpected(whole.error());
    }
    instance->exclusive_ = (library.factory().descriptor->flags & LSMTPD_EXCLUSIVE) != 0;
    instance->find_extensions();
  } catch (...) {
    return fail("plugin.{}: {} could not be created: {}", entry.name, entry.use, thrown());
  }
  if (auto whole = instance->validate_extensions(); !whole) return tl::unexpected(whole.error());
  return instance;
}

LaneHost& Instance::new_lane_host() {
  std::lock_guard lock(lane_hosts_mutex_);
  return *lane_hosts_.emplace_back(std::make_unique<LaneHost>(process_, reserved_));
}

Status Instance::validate_functions() const {
  return require(settings_, {{"instance.start", instance_->start != nullptr},
                             {"instance.stop", instance_->stop != nullptr},
                             {"instance.destroy", instance_->destroy != nullptr},
                             {"instance.get_extension", instance_->get_extension != nullptr},
                             {"instance.open_lane", instance_->open_lane != nullptr}});
}

Status Instance::validate_extensions() const {
  return require(
      settings_,
      {{"filter.message", !filter_ || filter_->message},
       {"session.decide", !session_ || session_->decide},
       {"admission.get", !admission_ || admission_->get},
       {"output.deliver", !output_ || output_->deliver},
       {"replay.list, load, forget or dead_letter",
        !replay_ || (replay_->list && replay_->load && replay_->forget && replay_->dead_letter)},
       {"probe.probe", !probe_ || probe_->probe},
       {"control.retry_now", !control_ || control_->retry_now},
       {"reload.prepare, commit or abort",
        !reload_ || (reload_->prepare && reload_->commit && reload_->abort)}});
}

void Instance::find_extensions() {
  const auto get = [this](const char* id) { return instance_->get_extension(instance_, id); };
  filter_ = static_cast<const lsmtpd_filter_1*>(get(LSMTPD_FILTER));
  session_ = static_cast<const lsmtpd_session_filter_1*>(get(LSMTPD_SESSION_FILTER));
  admission_ = static_cast<const lsmtpd_admission_1*>(get(LSMTPD_ADMISSION));
  output_ = static_cast<const lsmtpd_output_1*>(get(LSMTPD_OUTPUT));
  replay_ = static_cast<const lsmtpd_replay_1*>(get(LSMTPD_REPLAY));
  probe_ = static_cast<const lsmtpd_probe_1*>(get(LSMTPD_PROBE));
  control_ = static_cast<const lsmtpd_control_1*>(get(LSMTPD_CONTROL));
  reload_ = static_cast<const lsmtpd_reload_1*>(get(LSMTPD_RELOAD));
}

Instance::~Instance() {
  if (instance_) guarded("destroy", instance_->destroy);
  if (const uint64_t left = reserved_.exchange(0)) {
    process_.resources.memory.release(left);
    log::error("memory_left", {{"plugin", name()},
                               {"bytes", left},
                               {"hint", "the plugin reserved memory and did not release it"}});
  }
}

// At the end there is nobody left to tell but the log.
void Instance::guarded(const char* what, void (*function)(const lsmtpd_instance*)) const {
  const Running running(name(), what);
  try {
    function(instance_);
  } catch (...) {
    log::error("plugin_threw", {{"plugin", name()}, {"in", what}, {"what", thrown()}});
  }
}

Status Instance::start() {
  std::string errors;
  Report report(name(), [&](bool warning, std::string_view, const std::string& message) {
    if (warning) {
      log::warn("plugin_start", {{"plugin", name()}, {"warning", message}});
    } else {
      errors += (errors.empty() ? "" : "; ") + message;
    }
  });
  int32_t status = -1;
  const Running running(name(), "start");
  try {
    status = instance_->start(instance_, report.abi());
  } catch (...) {
    return fail("plugin.{}: could not be started: {}", name(), thrown());
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

Status Instance::prepare(std::unique_ptr<Options> options) {
  const auto changed = options_->different(*options);
  if (!reload_) {
    return fail("plugin.{}: {} cannot change while it runs: restart lsmtpd", name(),
                fmt::join(changed, ", "));
  }
  std::string why;
  Report report(name(), [&](bool warning, std::string_view, const std::string& message) {
    if (warning) {
      log::warn("plugin_reload", {{"plugin", name()}, {"warning", message}});
    } else {
      why += (why.empty() ? "" : "; ") + message;
    }
  });
  int32_t status = -1;
  try {
    status = reload_->prepare(instance_, options->abi(), report.abi());
  } catch (...) {
    return fail("plugin.{}: the new options could not be prepared: {}", name(), thrown());
  }
  if (status == 0 && !why.empty()) guarded("abort", reload_->abort);
  if (status != 0 || !why.empty()) {
    if (why.empty()) why = fmt::format("plugin.{}: prepare failed with {}", name(), status);
    return fail("{}", why);
  }
  prepared_ = std::move(options);
  return {};
}

void Instance::commit() {
  guarded("commit", reload_->commit);
  options_ = std::move(prepared_);
}

void Instance::abort() {
  guarded("abort", reload_->abort);
  prepared_ = nullptr;
}

void Instance::stop() {
  if (started_) guarded("stop", instance_->stop);
  started_ = false;
}

}  // namespace lsmtpd::plugin
