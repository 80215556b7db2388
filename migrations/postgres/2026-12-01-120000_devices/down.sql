DROP TABLE device_prekeys;
DROP TABLE devices;
