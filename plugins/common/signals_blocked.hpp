// SPDX-License-Identifier: Apache-2.0
// While it lives, a thread that begins in this one gets no signals: they are the daemon's main
// thread's.
#pragma once

#include <pthread.h>

#include <csignal>

namespace lsmtpd::common {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace lsmtpd::common
