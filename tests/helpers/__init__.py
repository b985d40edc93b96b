"""The parts that tests share: a small Hub, models of many families, processes that are killed, streams."""
