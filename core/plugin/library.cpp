// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.hpp"
#include "config/validate.hpp"
#include "log/log.hpp"
#include "plugin/option_table.hpp"
#include "plugin/thrown.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

namespace fs = std::filesystem;

namespace {

std::map<std::string, std::unique_ptr<Library>>& loaded() {
  static std::map<std::string, std::unique_ptr<Library>> libraries;
  return libraries;
}

Result<std::string> find(const std::string& use, const std::vector<std::string>& path) {
  std::error_code ignored;
  if (use.find('/') != std::string::npos) {
    if (!fs::exists(use, ignored)) return fail("there is no file {}", use);
    return fs::canonical(use, ignored).string();
  }
  for (const auto& folder : path) {
    const std::string file = fmt::format("{}/{}.so", folder, use);
    if (fs::exists(file, ignored))
      return fs::canonical(file, ignored).string();  // one name a file: it is loaded once
  }
  std::vector<std::string> names;
  for (const auto& file : Library::installed(path)) names.push_back(fs::path(file).stem().string());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(use, views);
  return fail("no plugin {} in {}{}", use, fmt::join(path, ", "),
              near.empty() ? "" : fmt::format("; did you mean {}?", near));
}

}  // namespace

Result<std::unique_ptr<Library>> Library::open(const std::string& file) {
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return fail("cannot load {}: {}", file, ::dlerror());
  auto library = std::make_unique<Library>();
  library->file_ = file;
  library->entry_ = static_cast<const lsmtpd_entry_1*>(::dlsym(handle, "lsmtpd_entry"));
  if (!library->entry_)
    return fail("{} is not an lsmtpd plugin: it does not export lsmtpd_entry", file);
  const auto& entry = *library->entry_;
  // A draft (major version 0) changes without notice.
  const bool draft_differs = LSMTPD_ABI_MAJOR == 0 && entry.abi_minor != LSMTPD_ABI_MINOR;
  if (entry.abi_major != LSMTPD_ABI_MAJOR || draft_differs) {
    return fail("{} was built for plugin ABI {}.{}, this lsmtpd has {}.{}: rebuild it", file,
                entry.abi_major, entry.abi_minor, LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR);
  }
  if (!entry.init || !entry.deinit || !entry.get_factory)
    return fail("{}: its lsmtpd_entry lacks functions", file);
  try {
    if (const int32_t status = entry.init(str(file)); status != 0) {
      return fail("{}: init failed with {}", file, status);
    }
  } catch (...) {
    return fail("{}: init failed: {}", file, thrown());
  }
  if (auto status = library->find_extensions(); !status) {
    library->deinit();
    return tl::unexpected(status.error());
  }
  return library;
}

Status Library::find_extensions() {
  try {
    factory_ = static_cast<const lsmtpd_factory_1*>(entry_->get_factory(LSMTPD_FACTORY));
    if (!factory_ || !factory_->descriptor) return fail("{} has no {}", file_, LSMTPD_FACTORY);
    if (!factory_->get_extension || !factory_->create)
      return fail("{} is broken: get_extension or create of its {} is NULL", file_, LSMTPD_FACTORY);
    options_ = static_cast<const lsmtpd_options_1*>(factory_->get_extension(LSMTPD_OPTIONS));
    command_ = static_cast<const lsmtpd_command_1*>(factory_->get_extension(LSMTPD_COMMAND));
  } catch (...) {
    return fail("{}: its extensions cannot be found: {}", file_, thrown());
  }
  if (!config::is_name(view(factory_->descriptor->name)))
    return fail("{} is broken: its name is not of up to 64 letters, digits, - and _", file_);
  if (command_ && !command_->run) return fail("{} is broken: its command has no function", file_);
  if (command_ && !config::is_name(view(command_->name)))
    return fail("{} is broken: its command's name is not of up to 64 letters, digits, - and _",
                file_);
  const std::string fault = options_ ? fault_of(*options_) : "";
  if (!fault.empty()) return fail("{} is broken: its table of options: {}", file_, fault);
  return {};
}

void Library::deinit() const {
  try {
    entry_->deinit();
  } catch (...) {
    log::error("plugin_threw", {{"plugin", file_}, {"what", "deinit: " + thrown()}});
  }
}

Result<const Library*> Library::load(const std::string& use, const std::vector<std::string>& path) {
  auto file = find(use, path);
  if (!file) return tl::unexpected(file.error());
  auto& slot = loaded()[*file];
  if (!slot) {
    auto opened = open(*file);
    if (!opened) {
      loaded().erase(*file);
      return tl::unexpected(opened.error());
    }
    slot = std::move(*opened);
  }
  return slot.get();
}

void Library::deinit_all() {
  for (auto& [file, library] : loaded()) library->deinit();
  loaded().clear();
}

std::vector<std::string> Library::installed(const std::vector<std::string>& path) {
  std::vector<std::string> files;
  std::set<std::string> names;
  for (const auto& folder : path) {
    std::error_code ignored;
    std::vector<std::string> here;
    for (const auto& at : fs::directory_iterator(folder, ignored)) {
      if (at.path().extension() == ".so") here.push_back(at.path().string());
    }
    std::sort(here.begin(), here.end());
    for (auto& file : here) {
      if (names.insert(fs::path(file).filename().string()).second) files.push_back(std::move(file));
    }
  }
  return files;
}

std::vector<std::string> plugin_path(const std::vector<std::string>& configured) {
  std::vector<std::string> path = configured;
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (!error) {
    path.push_back((here / "plugins").string());
    path.push_back((here / LSMTPD_PLUGINS_FROM_BIN).lexically_normal().string());
  }
  path.emplace_back(LSMTPD_PLUGIN_DIR);
  std::erase_if(path, [&](const std::string& folder) { return !fs::is_directory(folder, error); });
  path.erase(std::unique(path.begin(), path.end()), path.end());
  return path;
}

}  // namespace lsmtpd::plugin
