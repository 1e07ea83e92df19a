"""Probes of a webhook handler: what a payment provider will send it one day, sent today."""
