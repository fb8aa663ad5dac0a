# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others can provoke doesn't fill the log."""

REQUESTS = 200


def test_refused_tunnels_are_logged_in_measure_and_the_rest_is_counted(place, server):
    place.hand_client(server, client_id="first-0123456789").tunnel("http", Subdomain="taken")
    hand = place.hand_client(server, client_id="second-0123456789")
    for _ in range(REQUESTS):
        assert hand.request("http", Subdomain="taken")[0].Error
    server.wait_log(r"(\d+) more messages about refused tunnels were suppressed")
    assert 20 <= server.log().count("Refused a tunnel") < REQUESTS
