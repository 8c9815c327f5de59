// SPDX-License-Identifier: Apache-2.0
#include "metrics/prometheus_text.hpp"

#include <charconv>
#include <cmath>

namespace lsmtpd::metrics {

namespace {

const char* name_of(Type type) {
  switch (type) {
    case Type::counter:
      return "counter";
    case Type::gauge:
      return "gauge";
    case Type::histogram:
      break;
  }
  return "histogram";
}

// Of HELP texts and label values; quotes are escaped in values only.
void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && in_quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    out.append(digits, end.ptr);
  }
}

void append_number(std::string& out, uint64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// "a=\"1\",b=\"2\"", without the braces.
std::string labels_of(const FamilyInfo& info, const SeriesValue& series) {
  std::string out;
  for (size_t i = 0; i < info.labels.size(); ++i) {
    if (i > 0) out += ',';
    out += info.labels[i];
    out += "=\"";
    append_escaped(out, series.labels[i], true);
    out += '"';
  }
  return out;
}

void append_name(std::string& out, std::string_view name, std::string_view suffix,
                 const std::string& labels) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
}

void append_histogram(std::string& out, const FamilyInfo& info, const SeriesValue& series) {
  const std::string labels = labels_of(info, series);
  uint64_t count = 0;
  for (size_t i = 0; i < series.buckets.size(); ++i) {
    count += series.buckets[i];
    out += info.name;
    out += "_bucket{";
    out += labels;
    out += labels.empty() ? "le=\"" : ",le=\"";
    append_number(out, i < info.bounds.size() ? info.bounds[i] : HUGE_VAL);
    out += "\"} ";
    append_number(out, count);
    out += '\n';
  }
  append_name(out, info.name, "_sum", labels);
  append_number(out, series.sum);
  out += '\n';
  append_name(out, info.name, "_count", labels);
  append_number(out, count);
  out += '\n';
}

}  // namespace

std::string to_text(const Snapshot& snapshot) {
  std::string out;
  out.reserve(64u << 10);
  for (const auto& [info, all] : snapshot) {
    out += "# HELP ";
    out += info.name;
    out += ' ';
    append_escaped(out, info.help, false);
    out += "\n# TYPE ";
    out += info.name;
    out += ' ';
    out += name_of(info.type);
    out += '\n';
    for (const auto& series : all) {
      if (info.type == Type::histogram) {
        append_histogram(out, info, series);
        continue;
      }
      append_name(out, info.name, "", labels_of(info, series));
      append_number(out, series.value);
      out += '\n';
    }
  }
  return out;
}

}  // namespace lsmtpd::metrics
