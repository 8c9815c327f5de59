// SPDX-License-Identifier: Apache-2.0
// A thread that blocks all signals: the daemon's threads handle them.
#pragma once

#include <pthread.h>

#include <signals_blocked.hpp>
#include <thread>
#include <utility>

namespace lsmtpd::json_spool {

template <class Function>
std::thread quiet_thread(const char* name, Function function) {
  const common::SignalsBlocked blocked;
  std::thread thread(std::move(function));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace lsmtpd::json_spool
