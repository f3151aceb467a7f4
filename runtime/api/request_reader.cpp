#include "runtime/api/request_reader.hpp"

#include "runtime/api/query.hpp"
#include "runtime/base/words.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cmath>

namespace tayfa::api {

namespace {

result<std::string> url_of(std::string text) {
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed || parsed->host().empty() ||
      !(text::iequals(parsed->scheme(), "http") || text::iequals(parsed->scheme(), "https"))) {
    return fail(errc::bad_request, "an http or https URL");
  }
  return text;
}

/// An object of texts, kept as it was written: only the worker of the job reads it.
result<std::string> texts_of(std::string_view text, std::size_t longest) {
  if (text.size() > longest) {
    return fail(errc::bad_request, "no larger than " + std::to_string(longest) + " bytes");
  }
  const auto members = json_members(text);
  if (!members) {
    return text.starts_with('{') ? fail(members.error()) : fail(errc::bad_request, "an object");
  }
  for (const auto& member : *members) {
    if (!member.value.starts_with('"')) {
      return fail(errc::bad_request, "an object of texts");
    }
  }
  return members->empty() ? std::string{} : std::string{text};
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

} // namespace

result<std::int64_t> number_of(const json_member& member, std::string_view where,
                               const value_rule& rule) {
  // As a double a whole number within the bounds is exact, however it was written (10000, 1e4).
  const double number = json_number(member.value).value_or(-1);
  if (number < static_cast<double>(rule.lowest) || number > static_cast<double>(rule.highest) ||
      std::trunc(number) != number) {
    return fail(errc::bad_request, std::string{where} + member.key + " must be a whole number" +
                                       (rule.form == value_form::time ? " of milliseconds" : "") +
                                       " from " + std::to_string(rule.lowest) + " to " +
                                       std::to_string(rule.highest));
  }
  return static_cast<std::int64_t>(number);
}

bool fits(const value_rule& rule, std::string_view text) {
  if (text.empty() || text.size() > static_cast<std::size_t>(rule.highest)) {
    return false;
  }
  switch (rule.form) {
  case value_form::name: return is_name(text);
  case value_form::printable: return is_printable(text);
  case value_form::model_name: return is_model_name(text);
  case value_form::internal:
  case value_form::json:
  case value_form::time:
  case value_form::number:
  case value_form::url:
  case value_form::texts:
  case value_form::object: return true;
  }
  return true;
}

std::string rule_text(const value_rule& rule) {
  const std::string highest = std::to_string(rule.highest);
  switch (rule.form) {
  case value_form::name: return "1 to " + highest + " characters of [A-Za-z0-9._-]";
  case value_form::printable: return "1 to " + highest + " characters of printable ASCII";
  case value_form::model_name: return std::string{model_name_rule};
  case value_form::url: return "a URL of at most " + highest + " characters";
  case value_form::internal:
  case value_form::json:
  case value_form::time:
  case value_form::number:
  case value_form::texts:
  case value_form::object: break;
  }
  return {};
}

result<std::string> text_of(const json_member& member, std::string_view where,
                            const value_rule& rule) {
  const auto refused = [&](std::string_view why) {
    return fail(errc::bad_request,
                std::string{where} + member.key + " must be " + std::string{why});
  };
  const auto longest = static_cast<std::size_t>(rule.highest);
  if (rule.form == value_form::texts) {
    auto texts = texts_of(member.value, longest);
    const bool is_json = !texts && texts.error().code != errc::bad_request;
    return texts || is_json ? texts : refused(texts.error().text);
  }
  auto text = json_string(member.value, longest);
  if (!text || !(rule.form == value_form::url || fits(rule, *text))) {
    return refused(rule_text(rule));
  }
  if (rule.form == value_form::url) {
    auto url = url_of(std::move(*text));
    return url ? url : refused(url.error().text);
  }
  return std::move(*text);
}

} // namespace tayfa::api
