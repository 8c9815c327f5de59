// SPDX-License-Identifier: Apache-2.0
#include "plugin/instance.hpp"

#include <algorithm>
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

}  // namespace

Instance::Instance(std::unique_ptr<Options> options, Settings settings, const Process& process)
    : options_(std::move(options)),
      all_settings_{std::move(settings)},
      settings_(&all_settings_.front()),
      process_(process),
      metrics_(*process.metrics, name()),
      work_(*process.pool),
      lookups_(*process.lookups),
      self_(process, reserved_, metrics_, mistakes_) {
  host_ = {
      .size = sizeof(lsmtpd_host),
      .worker = 0,
      .workers = process.workers,
      .reserved = 0,
      .self = &self_,
      .name = str(name()),
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
  const Settings& entry = instance->settings();
  instance->library_ = &library;
  const Running running(instance->lasting_name_, "create");
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
  return *lane_hosts_.emplace_back(
      std::make_unique<LaneHost>(process_, reserved_, metrics_, mistakes_));
}

Status Instance::validate_functions() const {
  return require(settings(), {{"instance.start", instance_->start != nullptr},
                              {"instance.stop", instance_->stop != nullptr},
                              {"instance.destroy", instance_->destroy != nullptr},
                              {"instance.get_extension", instance_->get_extension != nullptr},
                              {"instance.open_lane", instance_->open_lane != nullptr}});
}

Status Instance::validate_extensions() const {
  return require(settings(),
                 {{"filter.message", !filter_ || filter_->message},
                  {"session.decide", !session_filter_ || session_filter_->decide},
                  {"auth.verify", !auth_ || auth_->verify},
                  {"admission.get", !admission_ || admission_->get},
                  {"output.deliver", !output_ || output_->deliver},
                  {"replay.list, load, forget, dead_letter or count",
                   !replay_ || (replay_->list && replay_->load && replay_->forget &&
                                replay_->dead_letter && replay_->count)},
                  {"probe.probe", !probe_ || probe_->probe},
                  {"control.retry_now", !control_ || control_->retry_now},
                  {"reload.prepare, commit or abort",
                   !reload_ || (reload_->prepare && reload_->commit && reload_->abort)}});
}

void Instance::find_extensions() {
  const auto get = [this](const char* id) { return instance_->get_extension(instance_, id); };
  filter_ = static_cast<const lsmtpd_filter_1*>(get(LSMTPD_FILTER));
  session_filter_ = static_cast<const lsmtpd_session_filter_1*>(get(LSMTPD_SESSION_FILTER));
  auth_ = static_cast<const lsmtpd_auth_1*>(get(LSMTPD_AUTH));
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
  const Running running(lasting_name_, what);
  try {
    function(instance_);
  } catch (...) {
    log::error("plugin_threw",
               {{"plugin", name()}, {"what", fmt::format("{}: {}", what, thrown())}});
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
  const Running running(lasting_name_, "start");
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

bool Instance::has(const Options& options) const {
  return options_->different(options).empty();
}

// A few at most: an operator who goes back to one that was there before adds none.
void Instance::change_settings(Settings settings) {
  const auto known = std::find(all_settings_.begin(), all_settings_.end(), settings);
  settings_ =
      known != all_settings_.end() ? &*known : &all_settings_.emplace_back(std::move(settings));
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
  const Running running(lasting_name_, "prepare");
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
