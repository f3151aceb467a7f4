#include "cluster/program/fleet/link_command.hpp"

#include "cluster/program/fleet/link_parts.hpp"
#include "runtime/base/table.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/join_string.hpp"
#include "runtime/pods_net/link_keys.hpp"

#include <array>
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr int no_such_pod = 1;
constexpr int bad_usage = 64;
constexpr int bad_file = 65;
constexpr int failed = 70;

int refuse(const error& e, std::ostream& err) {
  err << "tayfa link: " << (e.text.empty() ? e.str() : e.text) << '\n';
  if (e.code == errc::bad_usage || e.code == errc::bad_request || e.code == errc::wrong_state) {
    return bad_usage;
  }
  if (e.code == errc::bad_config) {
    return bad_file;
  }
  return e.code == errc::not_found ? no_such_pod : failed;
}

std::string list_in(const std::string& data) {
  return pods::allow_list_path(link_folder(data));
}

std::string this_user() {
  return "uid:" + std::to_string(::getuid());
}

std::string token_id(secret_source& secrets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::byte, pods::token_id_text / 2> bytes{};
  secrets.fill(bytes);
  std::string out;
  for (const auto byte : bytes) {
    out += digits[std::to_integer<unsigned>(byte) >> 4U];
    out += digits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return out;
}

/// "in 59 min", "ended"; by the clock of this machine, which is the head's.
std::string until(pods::wall_seconds end, pods::wall_seconds now) {
  return end <= now ? "ended" : "in " + std::to_string((end - now + 59) / 60) + " min";
}

} // namespace

int run_link_token(const new_token& wanted, const time_source& time, secret_source& secrets,
                   std::ostream& out, std::ostream& err) {
  const auto head = pods::read_keys(link_folder(wanted.data), "head");
  if (!head) {
    return refuse(head.error().code == errc::not_found
                      ? error{errc::not_found, "no head has run with the data folder " +
                                                   wanted.data +
                                                   " yet; start it first: tayfa serve --link"}
                      : head.error(),
                  err);
  }
  const auto pair = pods::make_key_pair(secrets);
  if (!pair) {
    return refuse(pair.error(), err);
  }
  const auto now = pods::wall_of(time);
  pods::join_invitation invitation;
  invitation.head_key = head->public_key;
  invitation.join_key = pair->secret_key;
  invitation.token = token_id(secrets);
  invitation.expires = now + wanted.minutes * 60;
  invitation.addresses = wanted.addresses;
  const auto text = pods::write_join_string(invitation);
  if (!text) {
    return refuse(text.error(), err);
  }
  const auto changed = pods::change_allow_list(list_in(wanted.data), [&](pods::allow_list& list) {
    list.prune(now);
    pods::join_token token;
    token.id = invitation.token;
    token.key = pair->public_key;
    token.expires = invitation.expires;
    token.made = now;
    token.by = this_user();
    return list.add_token(std::move(token), now);
  });
  if (!changed) {
    return refuse(changed.error(), err);
  }
  out << text->reveal() << '\n' << std::flush;
  err << "token " << invitation.token << " lets one pod join within " << wanted.minutes
      << " minutes; its join string is shown only here\n";
  return out ? 0 : failed;
}

int run_link_list(const std::string& data, const time_source& time, std::ostream& out,
                  std::ostream& err) {
  const auto list = pods::read_allow_list(list_in(data));
  if (!list) {
    return refuse(list.error(), err);
  }
  const auto now = pods::wall_of(time);
  std::vector<std::vector<std::string>> rows{{"NAME", "STATE", "KEY", "BY"}};
  for (const auto& pod : list->pods()) {
    rows.push_back({pod.name, pod.trusted ? "trusted" : "revoked", pod.key, pod.by});
  }
  out << text::table(rows);
  if (!list->tokens().empty()) {
    rows = {{"TOKEN", "EXPIRES", "USED BY", "BY"}};
    for (const auto& token : list->tokens()) {
      rows.push_back({token.id, until(token.expires, now),
                      token.used_by.empty() ? "-" : token.used_by, token.by});
    }
    out << '\n' << text::table(rows);
  }
  out.flush();
  return out ? 0 : failed;
}

int run_link_trust(const std::string& data, const std::string& pod, const std::string& name,
                   const time_source& time, std::ostream& err) {
  const auto changed = pods::change_allow_list(list_in(data), [&](pods::allow_list& list) {
    return list.trust(pod, name, this_user(), pods::wall_of(time));
  });
  if (!changed) {
    return refuse(changed.error(), err);
  }
  err << pod << " is trusted\n";
  return 0;
}

int run_link_revoke(const std::string& data, const std::string& pod, const time_source& time,
                    std::ostream& err) {
  const auto changed =
      pods::change_allow_list(list_in(data), [&](pods::allow_list& list) -> result<void> {
        const auto keys = list.revoke(pod, this_user(), pods::wall_of(time));
        return keys ? result<void>{} : fail(keys.error());
      });
  if (!changed) {
    return refuse(changed.error(), err);
  }
  err << pod << " is let in no more; a running head cuts it off, and its jobs run elsewhere\n";
  return 0;
}

void add_link_command(CLI::App& app, int& exit_code) {
  auto* cmd = app.add_subcommand("link", "which pods a head lets in (tayfa serve --link)");
  cmd->require_subcommand(1);
  struct request {
    new_token token;
    std::string pod, name;
  };
  const auto asked = std::make_shared<request>();
  asked->token.data = "./tayfa-data";
  const auto add = [&](const char* called, const char* text) {
    auto* one = cmd->add_subcommand(called, text);
    one->add_option("--data", asked->token.data, "data folder of the head");
    return one;
  };
  auto* token = add("token", "print a join string, with which one new pod joins: tayfa pod --join");
  token->add_option("--address", asked->token.addresses, "HOST:PORT of the head, as pods reach it")
      ->required();
  token->add_option("--minutes", asked->token.minutes, "until it expires")
      ->check(CLI::Range(1, 60 * 24 * 30));
  token->callback([asked, &exit_code] {
    system_secrets secrets;
    exit_code = run_link_token(asked->token, system_time{}, secrets, std::cout, std::cerr);
  });
  add("list", "print pods and tokens")->callback([asked, &exit_code] {
    exit_code = run_link_list(asked->token.data, system_time{}, std::cout, std::cerr);
  });
  auto* trust = add("trust", "let a pod in (again)");
  trust->add_option("pod", asked->pod, "its name or its public key")->required();
  trust->add_option("--name", asked->name, "name of a pod that is not listed yet");
  trust->callback([asked, &exit_code] {
    exit_code =
        run_link_trust(asked->token.data, asked->pod, asked->name, system_time{}, std::cerr);
  });
  auto* revoke = add("revoke", "let a pod in no more, and cut it off");
  revoke->add_option("pod", asked->pod, "its name or its public key")->required();
  revoke->callback([asked, &exit_code] {
    exit_code = run_link_revoke(asked->token.data, asked->pod, system_time{}, std::cerr);
  });
}

} // namespace tayfa
