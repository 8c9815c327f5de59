// SPDX-License-Identifier: Apache-2.0
// The lsmtpd SDK for C++17 and later: header-only, on top of the C ABI in lsmtpd/*.h. Include this
// one header.
//
// A whole filter:
//     #include <lsmtpd/sdk/plugin.hpp>
//     namespace sdk = lsmtpd::sdk;
//     struct NoEmptyMail : sdk::SimpleFilter {
//       using SimpleFilter::SimpleFilter;
//       void message(sdk::Call call, sdk::FilterMessage message) override {
//         if (message.size() == 0) return call.reject("empty mail is not taken here");
//         call.proceed();
//       }
//     };
//     LSMTPD_PLUGIN(NoEmptyMail, "filter_no_empty_mail", "1.0.0", "me@example.org",
//                   "refuses empty mail")
//
// LSMTPD_PLUGIN(CLASS, NAME, VERSION, VENDOR, DESCRIPTION) stands once in a plugin, at namespace
// scope; LSMTPD_EXCLUSIVE_PLUGIN(...) for one that cannot be started twice (reload.h). CLASS is an
// instance (derives from Instance, has open_lane) or, where no instance is needed, a lane (derives
// from Lane, constructor (LaneHost, Config)), and may have
//     static constexpr lsmtpd_option options[] = {...};  // the keys it takes: config.hpp
//     // rules that the table cannot express
//     static void validate(sdk::Config config, sdk::Report report);
//     static constexpr const char *command_name, *command_usage;  // `lsmtpd NAME ...`, and its
//     static int command(sdk::Config, const std::vector<std::string_view>&, sdk::Terminal);
// Exceptions never leave a plugin: an exception of a call answers that call with "tempfail" and is
// logged; one of a constructor or of start() is the error with which the daemon does not start.
#pragma once

#include "tables.hpp"

namespace lsmtpd::sdk::detail {

// The instance of a plugin that is only a lane.
template <class LaneClass>
class LaneOnly : public Instance {
 public:
  using Instance::Instance;
  std::unique_ptr<LaneClass> open_lane(LaneHost host) {
    return std::make_unique<LaneClass>(std::move(host), config());
  }
};
template <class Class>
using InstanceOf = std::conditional_t<std::is_base_of_v<Lane, Class>, LaneOnly<Class>, Class>;

template <class Class, class = void>
struct HasOptions : std::false_type {};
template <class Class>
struct HasOptions<Class, std::void_t<decltype(Class::options)>> : std::true_type {};
template <class Class, class = void>
struct HasValidate : std::false_type {};
template <class Class>
struct HasValidate<
    Class, std::void_t<decltype(Class::validate(std::declval<Config>(), std::declval<Report>()))>>
    : std::true_type {};
template <class Class, class = void>
struct HasCommand : std::false_type {};
template <class Class>
struct HasCommand<Class, std::void_t<decltype(Class::command_name)>> : std::true_type {};

// The object behind one lsmtpd_instance.
template <class Instance>
class InstanceBox {
 public:
  using LaneClass = typename decltype(std::declval<Instance&>().open_lane(
      std::declval<LaneHost>()))::element_type;
  static_assert(std::is_base_of_v<Lane, LaneClass>,
                "open_lane() returns a class derived from sdk::Lane");

  static const lsmtpd_instance* create(const lsmtpd_host* host,
                                       const lsmtpd_config* config) noexcept {
    InstanceBox* box = nullptr;
    guarded(host, [&] { box = new InstanceBox(host, config); });
    return box == nullptr ? nullptr : &box->raw_;
  }

 private:
  InstanceBox(const lsmtpd_host* host, const lsmtpd_config* config)
      : raw_{this, start, stop, destroy, get_extension, open_lane},
        instance_(Host(host), Config(config)),
        session_(session_table(instance_)),
        auth_(auth_table(instance_)) {}

  static lsmtpd_session_filter_1 session_table(const Instance& instance) {
    if constexpr (std::is_base_of_v<SessionFilter, LaneClass>)
      return Tables<LaneClass>::session_filter(instance.phases());
    (void)instance;
    return {};
  }

  static lsmtpd_auth_1 auth_table(const Instance& instance) {
    if constexpr (std::is_base_of_v<Auth, LaneClass>)
      return Tables<LaneClass>::auth(instance.mechanisms());
    (void)instance;
    return {};
  }

  static InstanceBox& self(const lsmtpd_instance* instance) noexcept {
    return *static_cast<InstanceBox*>(instance->self);
  }
  static int32_t start(const lsmtpd_instance* instance, const lsmtpd_report* raw) noexcept {
    Report report(raw);
    try {
      return self(instance).instance_.start(report) ? 0 : -1;
    } catch (const std::exception& error) {
      report.error("", error.what());
    } catch (...) {
      report.error("", "start() threw an exception that is no std::exception");
    }
    return -1;
  }
  static void stop(const lsmtpd_instance* instance) noexcept {
    InstanceBox& box = self(instance);
    guarded(box.instance_.host().raw(), [&] { box.instance_.stop(); });
  }
  static void destroy(const lsmtpd_instance* instance) noexcept { delete &self(instance); }

  static const void* get_extension(const lsmtpd_instance* instance, const char* id) noexcept {
    const std::string_view wanted(id);
    if constexpr (std::is_base_of_v<Filter, LaneClass>) {
      static constexpr lsmtpd_filter_1 table = Tables<LaneClass>::filter();
      if (wanted == LSMTPD_FILTER) return &table;
    }
    if constexpr (std::is_base_of_v<SessionFilter, LaneClass>) {
      if (wanted == LSMTPD_SESSION_FILTER) return &self(instance).session_;
    }
    if constexpr (std::is_base_of_v<Auth, LaneClass>) {
      if (wanted == LSMTPD_AUTH) return &self(instance).auth_;
    }
    if constexpr (std::is_base_of_v<Admission, LaneClass>) {
      static constexpr lsmtpd_admission_1 table = Tables<LaneClass>::admission();
      if (wanted == LSMTPD_ADMISSION) return &table;
    }
    if constexpr (std::is_base_of_v<Output, LaneClass>) {
      static constexpr lsmtpd_output_1 table = Tables<LaneClass>::output();
      if (wanted == LSMTPD_OUTPUT) return &table;
    }
    if constexpr (std::is_base_of_v<Replay, LaneClass>) {
      static constexpr lsmtpd_replay_1 table = Tables<LaneClass>::replay();
      if (wanted == LSMTPD_REPLAY) return &table;
    }
    if constexpr (std::is_base_of_v<Probe, LaneClass>) {
      static constexpr lsmtpd_probe_1 table = Tables<LaneClass>::probe();
      if (wanted == LSMTPD_PROBE) return &table;
    }
    if constexpr (std::is_base_of_v<Control, LaneClass>) {
      static constexpr lsmtpd_control_1 table = Tables<LaneClass>::control();
      if (wanted == LSMTPD_CONTROL) return &table;
    }
    if constexpr (std::is_base_of_v<Reload, Instance>) {
      static constexpr lsmtpd_reload_1 table = {prepare, commit, abort};
      if (wanted == LSMTPD_RELOAD) return &table;
    }
    (void)instance;
    return nullptr;
  }

  // Called only where the instance derives from Reload.
  template <class Function>
  static bool reloading(const lsmtpd_instance* instance, Function&& function) noexcept {
    InstanceBox& box = self(instance);
    if constexpr (std::is_base_of_v<Reload, Instance>)
      return guarded(box.instance_.host().raw(), [&] { function(box, box.instance_); });
    (void)box;
    return false;
  }
  static int32_t prepare(const lsmtpd_instance* instance, const lsmtpd_config* config,
                         const lsmtpd_report* raw) noexcept {
    bool ready = false;
    Report report(raw);
    reloading(instance, [&](InstanceBox& box, Reload& reload) {
      try {
        ready = reload.prepare(Config(config), report);
      } catch (const std::exception& error) {
        report.error("", error.what());
      }
      if (ready) box.prepared_ = config;
    });
    return ready ? 0 : -1;
  }
  static void commit(const lsmtpd_instance* instance) noexcept {
    reloading(instance, [](InstanceBox&, Reload& reload) { reload.commit(); });
    InstanceBox& box = self(instance);
    static_cast<sdk::Instance&>(box.instance_).config_ =
        Config(std::exchange(box.prepared_, nullptr));
  }
  static void abort(const lsmtpd_instance* instance) noexcept {
    reloading(instance, [](InstanceBox& box, Reload& reload) {
      box.prepared_ = nullptr;
      reload.abort();
    });
  }

  static const lsmtpd_lane* open_lane(const lsmtpd_instance* instance,
                                      const lsmtpd_host* host) noexcept {
    const lsmtpd_lane* raw = nullptr;
    guarded(host, [&] {
      LaneHost lane_host(host);
      std::unique_ptr<LaneClass> lane = self(instance).instance_.open_lane(lane_host);
      if (lane == nullptr) return;
      // The lane may keep the host it was given or a copy: the state in the lane's own host counts.
      const State state = static_cast<Lane&>(*lane).host().state();
      state->destroy = [](Lane* last) { delete last; };
      state->lane = lane.release();
      raw = state->lane->raw();
    });
    return raw;
  }

  lsmtpd_instance raw_;
  Instance instance_;
  lsmtpd_session_filter_1 session_;
  lsmtpd_auth_1 auth_;
  const lsmtpd_config* prepared_ = nullptr;
};

template <class Class, const lsmtpd_descriptor& descriptor>
struct Factory {
  static void validate(const lsmtpd_config* config, const lsmtpd_report* raw) noexcept {
    const Report report(raw);
    try {
      if constexpr (HasValidate<Class>::value) Class::validate(Config(config), report);
    } catch (const std::exception& error) {
      report.error("", error.what());
    } catch (...) {
      report.error("", "validate() threw an exception that is no std::exception");
    }
    (void)config;
  }
  static int32_t command(const lsmtpd_config* config, const lsmtpd_str* arguments, uint32_t count,
                         const lsmtpd_terminal* raw) noexcept {
    const Terminal terminal(raw);
    try {
      std::vector<std::string_view> list;
      for (uint32_t i = 0; i < count; ++i) list.push_back(view(arguments[i]));
      if constexpr (HasCommand<Class>::value) return Class::command(Config(config), list, terminal);
    } catch (const std::exception& error) {
      terminal.error(std::string(error.what()) + "\n");
    } catch (...) {
      terminal.error("the command threw an exception that is no std::exception\n");
    }
    (void)config;
    return 1;
  }
  static const void* get_extension(const char* id) noexcept {
    const std::string_view wanted(id);
    if constexpr (HasOptions<Class>::value) {
      static constexpr lsmtpd_options_1 table = {Class::options, std::size(Class::options),
                                                 sizeof(lsmtpd_option), validate};
      if (wanted == LSMTPD_OPTIONS) return &table;
    }
    if constexpr (HasCommand<Class>::value) {
      static const lsmtpd_command_1 table = {str(Class::command_name), str(Class::command_usage),
                                             command};
      if (wanted == LSMTPD_COMMAND) return &table;
    }
    return nullptr;
  }
  static const void* get_factory(const char* id) noexcept {
    static constexpr lsmtpd_factory_1 table = {&descriptor, get_extension,
                                               InstanceBox<InstanceOf<Class>>::create};
    return std::string_view(id) == LSMTPD_FACTORY ? &table : nullptr;
  }
  static int32_t init(lsmtpd_str) noexcept { return 0; }
  static void deinit() noexcept {}
};

}  // namespace lsmtpd::sdk::detail

#define LSMTPD_PLUGIN(CLASS, NAME, VERSION, VENDOR, DESCRIPTION) \
  LSMTPD_PLUGIN_WITH_FLAGS(0, CLASS, NAME, VERSION, VENDOR, DESCRIPTION)
#define LSMTPD_EXCLUSIVE_PLUGIN(CLASS, NAME, VERSION, VENDOR, DESCRIPTION) \
  LSMTPD_PLUGIN_WITH_FLAGS(LSMTPD_EXCLUSIVE, CLASS, NAME, VERSION, VENDOR, DESCRIPTION)
#define LSMTPD_PLUGIN_WITH_FLAGS(FLAGS, CLASS, NAME, VERSION, VENDOR, DESCRIPTION) \
  namespace {                                                                      \
  constexpr lsmtpd_descriptor lsmtpd_descriptor_of_this_plugin = {                 \
      sizeof(lsmtpd_descriptor),    FLAGS,                                         \
      {NAME, sizeof(NAME) - 1},     {VERSION, sizeof(VERSION) - 1},                \
      {VENDOR, sizeof(VENDOR) - 1}, {DESCRIPTION, sizeof(DESCRIPTION) - 1}};       \
  using lsmtpd_factory_of_this_plugin =                                            \
      ::lsmtpd::sdk::detail::Factory<CLASS, lsmtpd_descriptor_of_this_plugin>;     \
  }                                                                                \
  LSMTPD_EXPORT const lsmtpd_entry_1 lsmtpd_entry = {                              \
      LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR, lsmtpd_factory_of_this_plugin::init,     \
      lsmtpd_factory_of_this_plugin::deinit, lsmtpd_factory_of_this_plugin::get_factory}
