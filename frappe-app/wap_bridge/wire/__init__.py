"""What is said between the site and the gateway, without Frappe: these files need the standard library only."""
