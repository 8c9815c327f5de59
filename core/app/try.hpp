// SPDX-License-Identifier: Apache-2.0
// `lsmtpd try`: one message through one plugin, without a daemon.
#pragma once

#include <string>
#include <vector>

namespace lsmtpd::app {

struct TryOptions {
  std::string plugin;                // name or file
  std::vector<std::string> options;  // "key=value"
  std::string from = "sender@example.org";
  std::vector<std::string> to = {"recipient@example.org"};
  std::string helo = "client.example.org";
  std::string peer = "192.0.2.1";
  bool show = false;  // print the message as the plugin leaves it
};

// Reads the message from standard input, prints the verdict. Of the configuration `file`, which may
// be empty, it takes the folders of plugins. 0: continue, stored or discarded; 1: refused or
// tempfailed, or the plugin did not answer; 2: wrong usage.
int run_try(const std::string& file, const TryOptions& options);

}  // namespace lsmtpd::app
