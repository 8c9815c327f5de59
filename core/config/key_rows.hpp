// SPDX-License-Identifier: Apache-2.0
// Makes a row of the table of keys (key_table.cpp) from a member of a section's struct: its type,
// and how it is read and set.
//
//     number<&Limits::recipients>("recipients", "1000", {1, 1'000'000}, "Most recipients ..."),
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/host.hpp"
#include "config/keys.hpp"
#include "config/names.hpp"

namespace lsmtpd::config::rows {

template <class Struct>
struct SectionOf;
template <>
struct SectionOf<Server> {
  static constexpr Section kSection = Section::server;
};
template <>
struct SectionOf<Tls> {
  static constexpr Section kSection = Section::tls;
};
template <>
struct SectionOf<Listener> {
  static constexpr Section kSection = Section::listener;
};
template <>
struct SectionOf<Limits> {
  static constexpr Section kSection = Section::limits;
};
template <>
struct SectionOf<Timeouts> {
  static constexpr Section kSection = Section::timeouts;
};
template <>
struct SectionOf<Log> {
  static constexpr Section kSection = Section::log;
};
template <>
struct SectionOf<Admin> {
  static constexpr Section kSection = Section::admin;
};
template <>
struct SectionOf<Plugin> {
  static constexpr Section kSection = Section::plugin;
};
template <>
struct SectionOf<Chain> {
  static constexpr Section kSection = Section::chain;
};

template <>
struct SectionOf<Route> {
  static constexpr Section kSection = Section::route;
};

template <class Member>
struct Parts;
template <class Struct, class Field>
struct Parts<Field Struct::*> {
  using Owner = Struct;
  using Type = Field;
};

template <auto kMember>
Value get_member(const void* section) {
  using P = Parts<decltype(kMember)>;
  const auto& field = static_cast<const typename P::Owner*>(section)->*kMember;
  if constexpr (std::is_enum_v<typename P::Type>) {
    return std::string(Names<typename P::Type>::kAll[static_cast<size_t>(field)]);
  } else if constexpr (std::is_same_v<typename P::Type, bool>) {
    return field;
  } else if constexpr (std::is_integral_v<typename P::Type>) {
    return uint64_t{field};
  } else {
    return field;
  }
}

template <auto kMember>
void set_member(void* section, const Value& value) {
  using P = Parts<decltype(kMember)>;
  auto& field = static_cast<typename P::Owner*>(section)->*kMember;
  if constexpr (std::is_enum_v<typename P::Type>) {
    const auto& names = Names<typename P::Type>::kAll;
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == std::get<std::string>(value)) field = static_cast<typename P::Type>(i);
    }
  } else if constexpr (std::is_same_v<typename P::Type, bool>) {
    field = std::get<bool>(value);
  } else if constexpr (std::is_integral_v<typename P::Type>) {
    field = static_cast<typename P::Type>(std::get<uint64_t>(value));
  } else {
    field = std::get<typename P::Type>(value);
  }
}

template <class Field>
constexpr Type usual_type() {
  if constexpr (std::is_enum_v<Field>) return Type::word;
  if constexpr (std::is_same_v<Field, uint32_t>) return Type::integer;
  if constexpr (std::is_same_v<Field, bool>) return Type::truth;
  if constexpr (std::is_same_v<Field, std::vector<CertificateFiles>>) return Type::certificates;
  if constexpr (std::is_same_v<Field, std::vector<std::string>>) return Type::texts;
  if constexpr (std::is_same_v<Field, std::vector<Network>>) return Type::networks;
  return Type::text;
}

template <auto kMember>
constexpr Key row(std::string_view name, std::string_view default_value, std::string_view help) {
  using P = Parts<decltype(kMember)>;
  Key made{SectionOf<typename P::Owner>::kSection, name, usual_type<typename P::Type>(),
           default_value};
  if constexpr (std::is_enum_v<typename P::Type>) made.words = Names<typename P::Type>::kAll;
  made.help = help;
  made.get = get_member<kMember>;
  made.set = set_member<kMember>;
  return made;
}

template <auto kMember>
constexpr Key number(std::string_view name, std::string_view default_value, Range range,
                     std::string_view help) {
  Key made = row<kMember>(name, default_value, help);
  made.range = range;
  return made;
}

template <auto kMember>
constexpr Key size(std::string_view name, std::string_view default_value, uint64_t least,
                   std::string_view help) {
  static_assert(std::is_same_v<typename Parts<decltype(kMember)>::Type, uint64_t>);
  Key made = number<kMember>(name, default_value, {least, kUnlimited}, help);
  made.type = Type::size;
  return made;
}

template <auto kMember>
constexpr Key duration(std::string_view name, std::string_view default_value, Range range,
                       std::string_view help) {
  static_assert(std::is_same_v<typename Parts<decltype(kMember)>::Type, uint64_t>);
  Key made = number<kMember>(name, default_value, range, help);
  made.type = Type::duration;
  return made;
}

constexpr Key words(Key made, std::span<const std::string_view> allowed) {
  made.type = Type::word;
  made.words = allowed;
  return made;
}

constexpr Key computed(Key made, Type type, std::string_view how, std::string_view example) {
  made.type = type;
  made.computed = how;
  made.example = example;
  return made;
}

// Used once, at the start.
constexpr Key fixed(Key made) {
  made.fixed = true;
  return made;
}

constexpr Key required(Key made, std::string_view empty, std::string_view example) {
  made.required = true;
  made.empty = empty;
  made.example = example;
  return made;
}

// Two members of Listener come from one key.
constexpr Key address(std::string_view example, std::string_view help) {
  Key made{Section::listener, "address", Type::address, {}};
  made.required = true;
  made.example = example;
  made.help = help;
  made.get = [](const void* section) -> Value {
    const auto& listener = *static_cast<const Listener*>(section);
    return format_address(listener.host, listener.port);
  };
  made.set = [](void* section, const Value& value) {
    auto& listener = *static_cast<Listener*>(section);
    if (auto parsed = parse_address(std::get<std::string>(value))) {
      listener.host = std::move(parsed->host);
      listener.port = parsed->port;
    }
  };
  return made;
}

template <auto kMember>
constexpr Key servers(std::string_view name, std::string_view help) {
  Key made = row<kMember>(name, "", help);
  made.type = Type::servers;
  return made;
}

constexpr Key options(std::string_view help) {
  Key made{Section::plugin, "options", Type::options, {}};
  made.help = help;
  return made;
}

}  // namespace lsmtpd::config::rows
