"""The address plan: nothing overlaps, everything is in the benchmark range."""

import ipaddress
import unittest

from cluster import addresses


class AddressPlan(unittest.TestCase):
    def ranges(self):
        names = addresses.node_names(addresses.MAXIMUM_NODES)
        texts = [addresses.pod_range(name) for name in names]
        return [
            ipaddress.ip_network(text) for text in [*texts, addresses.NODES, addresses.SERVICES, addresses.FAKE_PODS]
        ]

    def test_no_two_ranges_overlap(self):
        ranges = self.ranges()
        for index, one in enumerate(ranges):
            for other in ranges[index + 1 :]:
                self.assertFalse(one.overlaps(other), f"{one} overlaps {other}")

    def test_all_is_in_the_benchmark_range(self):
        whole = ipaddress.ip_network("198.18.0.0/15")
        for part in self.ranges():
            self.assertTrue(part.subnet_of(whole), str(part))

    def test_pods_and_nodes_are_what_the_components_are_told(self):
        pods = ipaddress.ip_network(addresses.PODS)
        for name in addresses.node_names(addresses.MAXIMUM_NODES):
            self.assertTrue(ipaddress.ip_network(addresses.pod_range(name)).subnet_of(pods))
            self.assertIn(ipaddress.ip_address(addresses.node_address(name)), ipaddress.ip_network(addresses.NODES))

    def test_the_fixed_services_are_in_the_service_range(self):
        services = ipaddress.ip_network(addresses.SERVICES)
        self.assertEqual(str(services[1]), addresses.API_SERVICE)
        self.assertIn(ipaddress.ip_address(addresses.DNS_SERVICE), services)

    def test_node_names(self):
        self.assertEqual(addresses.node_names(3), ["node1", "node2", "node3"])
        self.assertEqual(addresses.node_number("node3"), 3)
