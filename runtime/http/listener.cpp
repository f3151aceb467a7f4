#include "runtime/http/listener.hpp"

#include "runtime/http/address.hpp"

#include <boost/asio/error.hpp>
#include <chrono>
#include <fcntl.h>
#include <utility>

namespace tayfa {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds accept_pause{100};

bool out_of_resources(const boost::system::error_code& ec) {
  return ec == asio::error::no_descriptors || ec == asio::error::no_memory ||
         ec == asio::error::no_buffer_space ||
         ec == boost::system::errc::too_many_files_open_in_system;
}

} // namespace

result<std::string> http_listener::listen(const std::string& address) {
  const auto wanted = listen_endpoint(address);
  if (!wanted) {
    return fail(wanted.error());
  }
  auto bound = bind(*wanted);
  if (!bound) {
    close();
  }
  return bound;
}

result<std::string> http_listener::bind(const tcp::endpoint& wanted) {
  boost::system::error_code ec;
  acceptor_.open(wanted.protocol(), ec);
  if (!ec) {
    ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
    acceptor_.set_option(tcp::acceptor::reuse_address{true}, ec);
  }
  if (!ec) {
    acceptor_.bind(wanted, ec);
  }
  if (!ec) {
    acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  }
  if (ec == asio::error::address_in_use) {
    return fail(errc::port_in_use, to_string(wanted));
  }
  if (ec) {
    return fail(errc::io_error, "cannot listen on " + to_string(wanted) + ": " + ec.message());
  }
  return to_string(acceptor_.local_endpoint());
}

void http_listener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void http_listener::accept() {
  acceptor_.async_accept(
      [this](boost::system::error_code ec, tcp::socket s) { on_accept(ec, std::move(s)); });
}

void http_listener::on_accept(boost::system::error_code ec, tcp::socket s) {
  if (!is_open()) {
    return;
  }
  if (out_of_resources(ec)) {
    // The connection still waits in the backlog: accepting again at once would only spin.
    if (!std::exchange(short_, true)) {
      complain_("cannot accept: " + ec.message());
    }
    pause_.expires_after(accept_pause);
    pause_.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled && is_open()) {
        accept();
      }
    });
    return;
  }
  if (!ec) {
    short_ = false;
    try {
      take_(std::move(s));
    } catch (const std::exception&) { // no memory for this connection; later ones may succeed
      complain_("a connection could not be taken");
    }
  }
  if (is_open()) {
    accept();
  }
}

} // namespace tayfa
