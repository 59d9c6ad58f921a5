package portrange

import "slices"

// systemPorts are below this one. Only root may listen on them, and their services are found
// by number.
const systemPorts = 1024

// commonPorts are ports above the system's on which software listens unless it is configured
// otherwise, sorted: what Mesos and Kubernetes themselves use, and what often runs beside them
// or in them. A daemon need not take its port from Mesos.
var commonPorts = []uint64{
	1433, 1521, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 2888, 3000, 3128, 3306, 3389, 3888, 4040, 4194, 4240, 4244, 4646, 4647, 4648,
	5000, 5044, 5050, 5051, 5353, 5432, 5473, 5601, 5672, 6060, 6066, 6379, 6443, 6783, 6784, 7000, 7001, 7070, 7077, 7199, 7946,
	8000, 8001, 8008, 8020, 8025, 8030, 8031, 8032, 8033, 8040, 8042, 8080, 8081, 8082, 8083, 8086, 8088, 8090, 8123, 8125, 8126, 8181,
	8200, 8300, 8301, 8302, 8400, 8443, 8472, 8500, 8600, 8888, 9000, 9001, 9042, 9090, 9091, 9092, 9093, 9094, 9095, 9099, 9100, 9153, 9160, 9200, 9300,
	9443, 9870, 9879, 9890, 9999, 10000, 10248, 10249, 10250, 10255, 10256, 10257, 10258, 10259, 11211, 15672, 16686, 18080,
	25672, 26379, 27017, 27018, 27019, 28017, 50010, 50020, 50051, 50070, 50075, 50090, 51820, 60000, 60010, 60020, 60030, 61091, 61616,
}

// isCommon reports whether some software is likely to listen on a port by default.
func isCommon(port uint64) bool {
	if port < systemPorts {
		return true
	}
	_, found := slices.BinarySearch(commonPorts, port)
	return found
}
