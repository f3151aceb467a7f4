#include "runtime/api/query.hpp"

#include "messages/model_name.hpp"
#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace tayfa::api {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_one_of(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) {
      return true;
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

result<void> take_filter_item(const query_item& item, job_filter& filter) {
  if (item.name == "state") {
    constexpr auto& states = machine_traits<job_state>::states;
    const auto* const found = std::find_if(states.begin(), states.end(), [&item](job_state each) {
      return to_string(each) == item.value;
    });
    if (found == states.end()) {
      return fail(errc::bad_request, "state must be a job's state, such as IN_QUEUE");
    }
    filter.state = *found;
  } else if (item.name == "tenant" || item.name == "model") {
    const bool model = item.name == "model";
    if (!item.value.empty() && !(model ? is_model_name(item.value) : is_name(item.value))) {
      return fail(
          errc::bad_request,
          item.name + " must be " +
              std::string{model ? model_name_rule : "1 to 64 characters of [A-Za-z0-9._-]"});
    }
    (item.name == "tenant" ? filter.tenant : filter.model) = item.value;
  } else if (item.name == "limit") {
    const auto limit = whole_number(item.value, job_filter::limit_max);
    if (!limit || *limit == 0) {
      return fail(errc::bad_request,
                  "limit must be from 1 to " + std::to_string(job_filter::limit_max));
    }
    filter.limit = static_cast<std::size_t>(*limit);
  } else if (item.name == "after") {
    const auto after = whole_number(item.value, std::numeric_limits<std::uint64_t>::max());
    if (!after) {
      return fail(errc::bad_request, "after must be the number that a list gave as next");
    }
    filter.after = *after;
  }
  return {};
}

} // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) {
      return std::nullopt;
    }
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

result<std::vector<query_item>> query_items(std::string_view query, std::string_view allowed) {
  std::vector<query_item> items;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view text = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (text.empty()) {
      continue;
    }
    const std::size_t mark = std::min(text.find('='), text.size());
    auto name = percent_decoded(text.substr(0, mark));
    auto value = percent_decoded(text.substr(std::min(mark + 1, text.size())));
    if (!name || !value) {
      return fail(errc::bad_request, "a broken percent escape in the query");
    }
    if (allowed != "*") {
      if (!is_one_of(*name, allowed)) {
        return fail(errc::bad_request, allowed.empty()
                                           ? "this route takes no query"
                                           : "the query may have only: " + std::string{allowed});
      }
      const bool twice = std::any_of(items.begin(), items.end(), [&name](const query_item& each) {
        return each.name == *name;
      });
      if (twice) {
        return fail(errc::bad_request, *name + " must be given once");
      }
    }
    items.push_back({std::move(*name), std::move(*value)});
  }
  return items;
}

result<std::vector<query_item>> named_items(std::string_view query,
                                            std::initializer_list<std::string_view> names) {
  std::vector<query_item> items;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view text = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t mark = std::min(text.find('='), text.size());
    const auto* const name = std::find(names.begin(), names.end(), text.substr(0, mark));
    if (name == names.end()) {
      continue;
    }
    std::string raw{text.substr(std::min(mark + 1, text.size()))};
    std::replace(raw.begin(), raw.end(), '+', ' ');
    auto value = percent_decoded(raw);
    if (!value) {
      return fail(errc::bad_request, "a broken percent escape in " + std::string{*name});
    }
    items.push_back({std::string{*name}, std::move(*value)});
  }
  return items;
}

std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t highest) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), last, number);
  if (ec != std::errc{} || rest != last || number > highest) {
    return std::nullopt;
  }
  return number;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= job_policy::name_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

result<job_filter> filter_of(const std::vector<query_item>& items) {
  job_filter filter;
  for (const auto& item : items) {
    if (const auto taken = take_filter_item(item, filter); !taken) {
      return fail(taken.error());
    }
  }
  return filter;
}

std::string plain_text(std::string_view text, std::size_t longest) {
  std::string plain;
  for (const char c : text.substr(0, longest + 1)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      plain += c;
    }
  }
  plain.resize(text::utf8_prefix(plain, longest).size());
  return plain;
}

result<std::optional<milliseconds>> keep_of(std::string_view query) {
  const auto items = named_items(query, {"ttl"});
  if (!items) {
    return fail(items.error());
  }
  if (items->empty()) {
    return std::optional<milliseconds>{};
  }
  constexpr auto lowest = job_policy::ttl_min.count();
  constexpr auto highest = job_policy::ttl_max.count();
  const auto number = whole_number(items->front().value, std::uint64_t{highest});
  if (items->size() > 1 || !number || *number < std::uint64_t{lowest}) {
    return fail(errc::bad_request, "ttl must be given once, from " + std::to_string(lowest) +
                                       " to " + std::to_string(highest) + " milliseconds");
  }
  return std::optional{milliseconds{static_cast<std::int64_t>(*number)}};
}

result<milliseconds> wait_of(const std::vector<query_item>& items, milliseconds otherwise) {
  std::optional<milliseconds> wait;
  for (const auto& item : items) {
    if (item.name != "wait") {
      continue;
    }
    const auto number = whole_number(item.value, wait_max_ms);
    if (wait || !number || *number < wait_min_ms) {
      return fail(errc::bad_request, "wait must be given once, from 1000 to 300000 milliseconds");
    }
    wait = milliseconds{static_cast<std::int64_t>(*number)};
  }
  return wait.value_or(otherwise);
}

} // namespace tayfa::api
