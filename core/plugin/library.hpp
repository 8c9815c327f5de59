// SPDX-License-Identifier: Apache-2.0
// A plugin's shared object: found, loaded, and its entry and factory checked. Never unloaded.
// [main]
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "lsmtpd/command.h"
#include "lsmtpd/options.h"
#include "lsmtpd/plugin.h"

namespace lsmtpd::plugin {

class Library {
 public:
  // `use` is a name ("filter_size"), looked for in `path`, or with a slash a file. Loads each file
  // once a process.
  static Result<const Library*> load(const std::string& use, const std::vector<std::string>& path);
  // Calls deinit() of every library that was loaded. Once, at the end.
  static void deinit_all();
  // The files *.so in `path`, the first of each name.
  static std::vector<std::string> installed(const std::vector<std::string>& path);

  const std::string& file() const { return file_; }
  const lsmtpd_entry_1& entry() const { return *entry_; }
  const lsmtpd_factory_1& factory() const { return *factory_; }
  const lsmtpd_options_1* options() const { return options_; }  // null: takes none
  const lsmtpd_command_1* command() const { return command_; }  // null: has none

 private:
  static Result<std::unique_ptr<Library>> open(const std::string& file);
  Status find_extensions();
  void deinit() const;

  std::string file_;
  const lsmtpd_entry_1* entry_ = nullptr;
  const lsmtpd_factory_1* factory_ = nullptr;
  const lsmtpd_options_1* options_ = nullptr;
  const lsmtpd_command_1* command_ = nullptr;
};

// Where plugins are looked for: `configured` first, then beside the executable (a build folder),
// then where they are installed, as seen from the executable.
std::vector<std::string> plugin_path(const std::vector<std::string>& configured);

}  // namespace lsmtpd::plugin
