#include "runtime/store/pg/pg_address.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <libpq-fe.h>
#include <memory>

namespace tayfa::store {

namespace {

struct free_options {
  void operator()(PQconninfoOption* list) const { PQconninfoFree(list); }
};
using option_list = std::unique_ptr<PQconninfoOption, free_options>;

std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> out(1);
  for (const char each : list) {
    if (each == ',') {
      out.emplace_back();
    } else {
      out.back() += each;
    }
  }
  return out;
}

/// A path of a Unix socket, or the loopback: nobody on a network reads along.
bool is_here(const std::string& host) {
  return host.empty() || host.front() == '/' || host.front() == '@' || host == "localhost" ||
         host == "::1" || host.starts_with("127.");
}

/// The value that the environment or libpq gives where the address names none.
std::string usual(std::string_view keyword) {
  const option_list all{PQconndefaults()};
  for (const auto* each = all.get(); each != nullptr && each->keyword != nullptr; ++each) {
    if (keyword == each->keyword) {
      return each->val == nullptr ? "" : each->val;
    }
  }
  return {};
}

} // namespace

result<pg_address> pg_address::parse(std::string_view url) {
  const auto bad = [](std::string words) {
    return fail(errc::bad_config, "store.url " + std::move(words) +
                                      "; it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE");
  };
  if (url.size() > length_max) {
    return bad("is longer than " + std::to_string(length_max) + " bytes");
  }
  if (!url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
    return bad(url.empty() ? "is empty" : "does not begin with postgresql://");
  }
  if (!text::is_clean(url)) {
    return bad("holds a control character");
  }
  char* words = nullptr;
  const option_list list{PQconninfoParse(std::string{url}.c_str(), &words)};
  PQfreemem(words); // they quote the address, and so the password
  if (!list) {
    return bad("cannot be read: an unknown parameter, or a wrong percent sign (a character like @ "
               "or / in a password is written as %40 or %2F)");
  }
  pg_address out;
  std::string host;
  std::string hostaddr;
  std::string port;
  for (const auto* each = list.get(); each->keyword != nullptr; ++each) {
    const std::string name = each->keyword;
    if (each->val == nullptr || *each->val == '\0') {
      continue;
    }
    if (name == "password") {
      out.password_ = secret_text{each->val};
    } else if (name == "host") {
      host = each->val;
    } else if (name == "hostaddr") {
      hostaddr = each->val;
    } else if (name == "port") {
      port = each->val;
    } else if (name == "replication" || name == "target_session_attrs") {
      return bad("sets " + name + ", which Tayfa itself decides");
    } else {
      out.parameters_.emplace_back(name, each->val);
    }
  }
  const auto hosts = items_of(host);
  const auto addresses = items_of(hostaddr);
  const auto ports = items_of(port);
  const auto count = std::max(hosts.size(), addresses.size());
  if ((hosts.size() != 1 && hosts.size() != count) ||
      (addresses.size() != 1 && addresses.size() != count) ||
      (ports.size() != 1 && ports.size() != count)) {
    return bad("names " + std::to_string(count) + " hosts and " + std::to_string(ports.size()) +
               " ports");
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.hosts_.push_back({.host = hosts.size() == 1 ? hosts[0] : hosts[i],
                          .hostaddr = addresses.size() == 1 ? addresses[0] : addresses[i],
                          .port = ports.size() == 1 ? ports[0] : ports[i]});
  }
  out.add_defaults();
  return out;
}

void pg_address::add_defaults() {
  const auto given = [this](std::string_view name) {
    return std::any_of(parameters_.begin(), parameters_.end(),
                       [&](const auto& each) { return each.first == name; });
  };
  const auto unless_given = [&](const char* name, const char* value) {
    if (!given(name)) {
      parameters_.emplace_back(name, value);
    }
  };
  // A write goes to the primary: a name may lead to a standby after a failover.
  parameters_.emplace_back("target_session_attrs", "read-write");
  parameters_.emplace_back("client_encoding", "UTF8");
  unless_given("application_name", "tayfa");
  unless_given("keepalives_idle", "10");
  unless_given("keepalives_interval", "5");
  unless_given("keepalives_count", "3");
  unless_given("tcp_user_timeout", "15000");
  const bool far = std::any_of(hosts_.begin(), hosts_.end(), [](const endpoint& each) {
    return !is_here(each.host.empty() ? each.hostaddr : each.host);
  });
  if (far && !given("sslmode") && usual("sslmode") == "prefer") {
    parameters_.emplace_back("sslmode", "require"); // never plain text over a network by default
  }
  std::string user;
  std::string database;
  for (const auto& [name, value] : parameters_) {
    user = name == "user" ? value + "@" : user;
    database = name == "dbname" ? value : database;
  }
  shown_ = "postgresql://" + user;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    shown_ += (i == 0 ? "" : ",") + name_of(i);
  }
  shown_ += "/" + database;
}

pg_address::target pg_address::host(std::size_t index) const {
  target out;
  const auto& at = hosts_.at(index);
  out.texts.emplace_back(password_.reveal());
  const auto add = [&out](const char* name, const std::string& value) {
    if (!value.empty()) {
      out.keywords.push_back(name);
      out.values.push_back(value.c_str());
    }
  };
  add("host", at.host);
  add("hostaddr", at.hostaddr);
  add("port", at.port);
  add("password", out.texts.front());
  for (const auto& [name, value] : parameters_) {
    add(name.c_str(), value);
  }
  out.keywords.push_back(nullptr);
  out.values.push_back(nullptr);
  return out;
}

std::string pg_address::name_of(std::size_t index) const {
  const auto& at = hosts_.at(index);
  const auto& name = at.host.empty() ? at.hostaddr : at.host;
  return name + (at.port.empty() ? "" : ":" + at.port);
}

std::string pg_address::without_password(std::string text) const {
  const auto word = password_.reveal();
  for (auto at = text.find(word); !word.empty() && at != std::string::npos;
       at = text.find(word, at + 3)) {
    text.replace(at, word.size(), "***");
  }
  return text;
}

} // namespace tayfa::store
