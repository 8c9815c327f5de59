// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the C tables of a lane class: trampolines from the ABI to the interfaces of
// instance.hpp.
#pragma once

#include "instance.hpp"

namespace lsmtpd::sdk::detail {

// The tables of one lane class. Every function casts, calls one method, and lets no exception out.
template <class LaneClass>
struct Tables {
  static LaneClass& self(const lsmtpd_lane* lane) noexcept {
    return *static_cast<LaneClass*>(static_cast<Lane*>(lane->self));
  }
  static const LaneHost& host(const lsmtpd_lane* lane) noexcept {
    return static_cast<Lane*>(lane->self)->host();
  }
  // Calls `method(interface, call)`; a closed lane is freed only after it returned.
  template <class Interface, class Method>
  static void ask(const lsmtpd_lane* lane, lsmtpd_call id, Method&& method) noexcept {
    const lsmtpd_host* raw = host(lane).raw();
    guarded(raw, [&] { method(static_cast<Interface&>(self(lane)), Call(raw, id)); });
  }

  static constexpr lsmtpd_filter_1 filter() {
    return {[](const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message,
               const lsmtpd_filter_event* event) {
              ask<Filter>(lane, call, [&](Filter& filter, Call open) {
                filter.message(std::move(open),
                               FilterMessage(host(lane).message_tables(), message, event));
              });
            },
            cancel<Filter>};
  }
  static constexpr lsmtpd_output_1 output() {
    return {[](const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_message* message,
               const lsmtpd_delivery* delivery) {
              ask<Output>(lane, call, [&](Output& output, Call open) {
                output.deliver(
                    std::move(open), Message(host(lane).message_tables(), message),
                    Delivery{view(delivery->copy_id),
                             view(delivery->target),
                             (delivery->flags & LSMTPD_DELIVERY_REPLAY) != 0,
                             std::chrono::milliseconds(delivery->deadline_ms),
                             view(delivery->reason),
                             delivery->attempts,
                             (delivery->flags & LSMTPD_DELIVERY_IN_DOUBT) != 0,
                             {host(lane).message_tables().annotations, delivery->annotations}});
              });
            },
            cancel<Output>};
  }
  static constexpr lsmtpd_session_filter_1 session_filter(uint32_t phases) {
    return {phases,
            0,
            [](const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_session_event* event) {
              ask<SessionFilter>(lane, call, [&](SessionFilter& filter, Call open) {
                filter.decide(std::move(open), *event);
              });
            },
            cancel<SessionFilter>,
            [](const lsmtpd_lane* lane, const lsmtpd_transaction_end* end) {
              guarded(host(lane).raw(),
                      [&] { static_cast<SessionFilter&>(self(lane)).transaction_ended(*end); });
            },
            [](const lsmtpd_lane* lane, uint64_t session) {
              guarded(host(lane).raw(),
                      [&] { static_cast<SessionFilter&>(self(lane)).session_closed(session); });
            }};
  }
  static constexpr lsmtpd_auth_1 auth(uint32_t mechanisms) {
    return {mechanisms, 0,
            [](const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_credentials* credentials) {
              ask<Auth>(lane, call,
                        [&](Auth& auth, Call open) { auth.verify(std::move(open), *credentials); });
            },
            cancel<Auth>};
  }
  static constexpr lsmtpd_admission_1 admission() {
    return {[](const lsmtpd_lane* lane, lsmtpd_admission* out) {
      const bool answered = guarded(host(lane).raw(), [&] {
        const Capacity capacity = static_cast<Admission&>(self(lane)).admission();
        out->ready = capacity.ready ? 1 : 0;
        out->max_message_size = capacity.max_message_size;
        out->reason = str(capacity.reason);
      });
      if (answered) return;
      out->ready = 0;
      out->reason = str("admission() threw an exception");
    }};
  }
  static constexpr lsmtpd_replay_1 replay() {
    return {[](const lsmtpd_lane* lane, lsmtpd_call call, uint32_t restart, uint32_t max) {
              ask<Replay>(lane, call, [&](Replay& replay, Call open) {
                replay.list(std::move(open), restart != 0, max);
              });
            },
            [](const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str id) {
              ask<Replay>(lane, call, [&](Replay& replay, Call open) {
                replay.load(std::move(open), view(id));
              });
            },
            [](const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str id) {
              ask<Replay>(lane, call, [&](Replay& replay, Call open) {
                replay.forget(std::move(open), view(id));
              });
            },
            [](const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str id, lsmtpd_str reason) {
              ask<Replay>(lane, call, [&](Replay& replay, Call open) {
                replay.dead_letter(std::move(open), view(id), view(reason));
              });
            },
            [](const lsmtpd_lane* lane, lsmtpd_call call, lsmtpd_str target, uint64_t max) {
              ask<Replay>(lane, call, [&](Replay& replay, Call open) {
                replay.count(std::move(open), view(target), max);
              });
            }};
  }
  static constexpr lsmtpd_probe_1 probe() {
    return {[](const lsmtpd_lane* lane, lsmtpd_call call, const lsmtpd_probe_report* report) {
      ask<Probe>(lane, call, [&](Probe& probe, Call open) {
        probe.probe(std::move(open), ProbeReport(report));
      });
    }};
  }
  static constexpr lsmtpd_control_1 control() {
    return {[](const lsmtpd_lane* lane) {
      guarded(host(lane).raw(), [&] { static_cast<Control&>(self(lane)).retry_now(); });
    }};
  }
  template <class Interface>
  static void cancel(const lsmtpd_lane* lane, lsmtpd_call call) {
    guarded(host(lane).raw(), [&] { static_cast<Interface&>(self(lane)).cancel(call); });
  }
};

}  // namespace lsmtpd::sdk::detail
