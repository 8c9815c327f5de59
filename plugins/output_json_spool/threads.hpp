// SPDX-License-Identifier: Apache-2.0
// A thread that blocks all signals: the daemon's threads handle them.
#pragma once

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace lsmtpd::json_spool {

template <class Function>
std::thread quiet_thread(const char* name, Function function) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(function));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace lsmtpd::json_spool
