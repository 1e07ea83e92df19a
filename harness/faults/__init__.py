"""Driving a fault engine: find and watch it, control it, switch faults on a timeline."""
